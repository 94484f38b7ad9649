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

    public init(
        _ messages: [SessionMessage], at: Timestamp, expectedRevision: Int? = nil, writerStamp: Timestamp? = nil,
        tokens: Int? = nil
    ) {
        self.messages = messages
        self.at = at
        self.expectedRevision = expectedRevision
        self.writerStamp = writerStamp
        self.tokens = tokens
    }
}
