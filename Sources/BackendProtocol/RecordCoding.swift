public import AgentMemory

extension MemoryRecord {
    /// Writes the record as one object: `record` in the schema.
    ///
    /// - Parameters:
    ///   - words: the analyser's words of the text, for backends that search by words.
    ///   - bytes: the opaque bytes or their absence, for backends that keep them.
    public func writeForBackend(to writer: inout JSONWriter, words: [String]? = nil, bytes: [UInt8]?? = nil) {
        writer.object { writer in
            for field in shownFields { writer.write(field, value(of: field), .backend) }
            if let words {
                writer.name("words")
                writer.strings(words)
            }
            if let bytes { writer.opaqueBytes(bytes) }
        }
    }

    /// - Parameter source: what an error says the object is part of.
    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    public init(fromBackend json: JSONValue, of source: String) throws(MemoryError) {
        var members = RecordMembers(json, .backend, of: source)
        try self.init(reading: &members)
    }
}

extension JSONWriter {
    /// Microseconds since the epoch.
    mutating func date(_ date: Timestamp) { int(Int(date.microseconds)) }
}

extension JSONValue {
    static func asDate(_ json: JSONValue) -> Timestamp? {
        json.intValue.flatMap { Timestamp(microseconds: Int64($0)) }
    }
}
