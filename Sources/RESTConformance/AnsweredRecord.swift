import AgentMemory

extension MemoryRecord {
    /// Reads a record as a server answers it: every member must be there, whatever its value.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    init(answered json: JSONValue) throws(MemoryError) {
        try self.init(json: json, of: MemberReader.answer)
    }
}

extension MemberReader {
    fileprivate static let answer = "the server's answer"

    /// A reader of an object in a server's answer.
    init(answer json: JSONValue) {
        self.init(json, of: Self.answer)
    }
}
