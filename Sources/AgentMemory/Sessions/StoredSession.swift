/// A session as a store has it: its content with its place in the history of its writes.
public struct StoredSession: Sendable, Equatable {
    /// `messages` has only the last ones if only these were requested.
    public var memory: WorkingMemory
    /// Messages of the whole session.
    public var messageCount: Int
    /// The writes that led here, oldest first; the last one is the current state. At least one, at
    /// most ``SessionRevision/kept``.
    public var revisions: [SessionRevision]

    /// A session with at least one revision.
    public init(memory: WorkingMemory, messageCount: Int, revisions: [SessionRevision]) {
        precondition(!revisions.isEmpty, "a stored session has a revision")
        self.memory = memory
        self.messageCount = messageCount
        self.revisions = revisions
    }

    /// The state that is stored now.
    public var current: SessionRevision { revisions[revisions.count - 1] }
}

/// One write of a session.
public struct SessionRevision: Sendable, Equatable {
    /// Counts the writes of the session. The first write after the session was absent starts at 1
    /// (or at any higher number, so that a number is not seen twice); every further write adds 1. 0
    /// for a document of the reference, which has no revisions.
    public let number: Int
    /// What clients see as `last_accessed`: no two revisions of a session share it, and later ones
    /// have later stamps.
    public let stamp: Timestamp
    /// The `last_accessed` that the writer's request carried, if it came from the writer's own
    /// clock: a writer that sends it again started from what it wrote here. `nil` if the request
    /// carried none, or the stamp of a revision.
    public let writerStamp: Timestamp?
    /// Messages of the session after the write.
    public let messageCount: Int

    /// Revisions that a store keeps for each session; older ones are dropped.
    public static let kept = 256

    public init(number: Int, stamp: Timestamp, writerStamp: Timestamp?, messageCount: Int) {
        self.number = number
        self.stamp = stamp
        self.writerStamp = writerStamp
        self.messageCount = messageCount
    }

    /// `[number, stamp, writer's stamp or null, messages]`, the dates in microseconds since the
    /// epoch.
    public var json: JSONValue {
        [
            .int(number), .int(Int(stamp.microseconds)),
            writerStamp.map { .int(Int($0.microseconds)) } ?? .null, .int(messageCount),
        ]
    }

    /// Numbers above this one were not made here: Redis counts in doubles, which could not tell the
    /// next ones apart.
    private static let largestNumber = 1 << 53

    /// Reads ``json``; `nil` for anything else.
    public init?(json: JSONValue) {
        guard let fields = json.arrayValue, fields.count == 4, let number = fields[0].intValue,
            (0..<Self.largestNumber).contains(number),
            let stamp = fields[1].intValue.flatMap({ Timestamp(microseconds: Int64($0)) }),
            let messageCount = fields[3].intValue, (0..<Self.largestNumber).contains(messageCount)
        else { return nil }
        self.init(
            number: number, stamp: stamp,
            writerStamp: fields[2].intValue.flatMap { Timestamp(microseconds: Int64($0)) }, messageCount: messageCount)
    }
}
