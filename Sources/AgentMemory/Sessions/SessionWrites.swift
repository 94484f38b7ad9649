/// What a write expects to find.
public enum SessionExpectation: Sendable, Equatable {
    /// No session under the key; one that has expired is none.
    case absent
    /// A session whose current ``SessionRevision/number`` is this one.
    case revision(Int)
}

/// Messages to add at the end of a session.
public struct SessionAppend: Sendable, Equatable {
    public let messages: [SessionMessage]
    /// The time of the write.
    public let at: Timestamp
    /// The revision that must be current; `nil` appends to whatever is stored.
    public let expectedRevision: Int?
    /// Goes into the new revision as ``SessionRevision/writerStamp``.
    public let writerStamp: Timestamp?
    /// The new value of ``WorkingMemory/tokens``; `nil` leaves it.
    public let tokens: Int?
    /// Whether messages that the session has already are left out, so that an append can be sent
    /// again. The ids of ``messages`` are all different then.
    public let skipsRepeats: Bool
    /// What is enqueued together with the write.
    public let jobs: [NewJob]

    /// How many of the last messages of a session are looked through for repeats: a bound, so that
    /// an append to a long session costs no more than one to a short session.
    public static let repeatWindow = 1000

    public init(
        _ messages: [SessionMessage], at: Timestamp, expectedRevision: Int? = nil, writerStamp: Timestamp? = nil,
        tokens: Int? = nil, skipsRepeats: Bool = false, enqueueing jobs: [NewJob] = []
    ) {
        self.messages = messages
        self.at = at
        self.expectedRevision = expectedRevision
        self.writerStamp = writerStamp
        self.tokens = tokens
        self.skipsRepeats = skipsRepeats
        self.jobs = jobs
    }
}

extension SessionAppend {
    /// What a store says of an append that would give two meanings to one id.
    public static let repeatConflict = MemoryError(
        .conflict,
        "The session has a message of the same id with another role or content: give a new message a new id; to change one, PUT the session"
    )
}
