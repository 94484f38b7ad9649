extension SessionMessage {
    /// Writes the message as one JSON object, in the shape that the REST API and the reference's
    /// Redis document share.
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("role")
            writer.string(role)
            writer.name("content")
            writer.string(content)
            writer.name("id")
            writer.string(id)
            writer.name("created_at")
            writer.string(createdAt.iso8601)
            writer.name("persisted_at")
            writer.string(persistedAt?.iso8601)
            writer.name("discrete_memory_extracted")
            writer.string(discreteMemoryExtracted ? "t" : "f")
        }
    }

    /// Reads what ``write(to:)`` or the reference wrote. A message without a date gets
    /// `fallbackDate`.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` if the value is not a message.
    public init(stored value: JSONValue, fallbackDate: Timestamp) throws(MemoryError) {
        guard let id = value["id"]?.stringValue, let role = value["role"]?.stringValue,
            let content = value["content"]?.stringValue
        else { throw MemoryError(.internalError, "a stored session has a message that cannot be read") }
        self.init(
            storedID: id, role: role, content: content,
            createdAt: Timestamp(stored: value["created_at"]) ?? fallbackDate,
            persistedAt: Timestamp(stored: value["persisted_at"]),
            discreteMemoryExtracted: value["discrete_memory_extracted"]?.stringValue == "t")
    }
}
