/// What a write expects to find.
public enum SessionExpectation: Sendable, Equatable {
    /// No session under the key; an expired one does not count.
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
    /// Whether messages that the session has already are left out, so that an append can be
    /// retried. The ids of ``messages`` are all different then.
    public let skipsRepeats: Bool
    /// Jobs that are enqueued together with the write.
    public let jobs: [NewJob]

    /// How many of the last messages of a session are searched for repeats. The bound keeps an
    /// append to a long session as cheap as one to a short session.
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
    /// The error of a store for an append that would give one id two meanings.
    public static let repeatConflict = MemoryError(
        .conflict,
        "The session has a message of the same id with another role or content: give a new message a new id; to change one, PUT the session"
    )
}
