/// A structured memory that a client put into a session. It goes to long-term memory under its own
/// id; until then `persistedAt` is `nil`.
public struct SessionMemory: Sendable, Equatable {
    /// The lists that the client sent: the others are `null` on the wire, not `[]`.
    public struct GivenLists: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let topics = GivenLists(rawValue: 1)
        public static let entities = GivenLists(rawValue: 2)
        public static let extractedFrom = GivenLists(rawValue: 4)
    }

    /// The memory as the client sent it: session id, user id and namespace are its own, not yet the
    /// session's.
    public let record: MemoryRecord
    public let givenLists: GivenLists
    /// When the memory was stored in long-term memory; `nil` until then. (`record.persistedAt` is
    /// not used.)
    public var persistedAt: Timestamp?

    public init(_ record: MemoryRecord, givenLists: GivenLists, persistedAt: Timestamp?) {
        self.record = record
        self.givenLists = givenLists
        self.persistedAt = persistedAt
    }

    public var id: String { record.id }

    /// Whether both have the same id and content, whatever their dates and marks.
    public func saysTheSame(as other: SessionMemory) -> Bool {
        func bytes(_ memory: SessionMemory) -> [UInt8] {
            var writer = JSONWriter(capacity: 512)
            writer.object { memory.writeContent(to: &$0) }
            return writer.bytes
        }
        return bytes(self) == bytes(other)
    }

    /// Two memories are equal if a client could not tell them apart.
    public static func == (a: SessionMemory, b: SessionMemory) -> Bool {
        func bytes(_ memory: SessionMemory) -> [UInt8] {
            var writer = JSONWriter(capacity: 768)
            memory.write(to: &writer)
            return writer.bytes
        }
        return bytes(a) == bytes(b)
    }
}
