import AgentMemory

/// A record as the file keeps it: the JSON of the REST API, so that people can read it with
/// `sqlite3`.
extension MemoryRecord {
    var jsonText: String { String(decoding: json.bytes, as: UTF8.self) }

    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    init(stored text: String) throws(MemoryError) {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: text)
        } catch {
            throw MemoryError(.internalError, "a record in the file is not JSON", underlying: error.message)
        }
        try self.init(json: json, of: "a record in the file")
    }
}
