import AgentMemory

extension MemoryRecord {
    /// Reads a record from a server's response: every member must be present, with any value.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    init(answered json: JSONValue) throws(MemoryError) {
        try self.init(json: json, of: MemberReader.answer)
    }
}

extension MemberReader {
    fileprivate static let answer = "the server's answer"

    /// A reader of an object in a server's response.
    init(answer json: JSONValue) {
        self.init(json, of: Self.answer)
    }
}
