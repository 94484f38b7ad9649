/// One message of a conversation.
public struct SessionMessage: Sendable, Equatable {
    /// 1 to 512 bytes of UTF-8 without control characters. Clients may use one id twice.
    public let id: String
    /// `user`, `assistant`, `system`, `tool` or any other word: 1 to 512 bytes without control
    /// characters.
    public let role: String
    /// Never blank, never with NUL; otherwise byte for byte what the client sent.
    public let content: String
    public let createdAt: Timestamp
    /// When the message was stored in long-term memory; `nil` until then.
    public var persistedAt: Timestamp?
    /// Whether the extraction of single facts has been done (`t` on the wire) or is still due
    /// (`f`).
    public var discreteMemoryExtracted: Bool

    /// A message from a client.
    ///
    /// - Throws: ``MemoryError``: `invalidCombination` for blank content (REST responds with 400,
    ///   as clients expect); `invalidInput` that names `id`, `role` or `content` otherwise.
    public init(
        id: String, role: String, content: String, createdAt: Timestamp, persistedAt: Timestamp? = nil,
        discreteMemoryExtracted: Bool = false
    ) throws(MemoryError) {
        self.id = try FieldRules.checkedID(id)
        self.role = try FieldRules.checkedID(role, field: "role")
        guard !FieldRules.isBlank(content) else {
            throw MemoryError(.invalidCombination, "Message content cannot be empty (message ID: \(id))")
        }
        guard !content.utf8.contains(0) else {
            throw .invalid("content", "content must not contain the NUL character")
        }
        self.content = content
        self.createdAt = createdAt
        self.persistedAt = persistedAt
        self.discreteMemoryExtracted = discreteMemoryExtracted
    }

    /// A message as a store returns it: nothing is checked.
    public init(
        storedID id: String, role: String, content: String, createdAt: Timestamp, persistedAt: Timestamp?,
        discreteMemoryExtracted: Bool
    ) {
        self.id = id
        self.role = role
        self.content = content
        self.createdAt = createdAt
        self.persistedAt = persistedAt
        self.discreteMemoryExtracted = discreteMemoryExtracted
    }

    /// Whether both have the same id, role and content, whatever the server noted about them since.
    public func saysTheSame(as other: SessionMessage) -> Bool {
        ExactString(id) == ExactString(other.id) && ExactString(role) == ExactString(other.role)
            && ExactString(content) == ExactString(other.content)
    }

    /// Two messages are equal if a client could not tell them apart.
    public static func == (a: SessionMessage, b: SessionMessage) -> Bool {
        a.saysTheSame(as: b) && a.createdAt == b.createdAt && a.persistedAt == b.persistedAt
            && a.discreteMemoryExtracted == b.discreteMemoryExtracted
    }
}
