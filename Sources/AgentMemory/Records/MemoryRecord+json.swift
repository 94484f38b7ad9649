extension MemoryRecord {
    /// Writes the record's members as the REST API spells them; the caller opens and closes the
    /// object.
    public func writeMembers(to writer: inout JSONWriter) {
        for field in shownFields { writer.write(field, value(of: field), .api) }
    }

    /// The record as one JSON object.
    public var json: JSONWriter {
        var writer = JSONWriter(capacity: text.utf8.count + 768)
        writer.object { writeMembers(to: &$0) }
        return writer
    }

    /// Reads the record that ``json`` writes. `source` is what an error calls the object, such as
    /// `the server's answer`.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    public init(json: JSONValue, of source: String) throws(MemoryError) {
        var members = RecordMembers(json, .api, of: source)
        try self.init(reading: &members)
    }

    /// Two records are equal if a client could not tell them apart: their JSON is the same to the
    /// byte. (Swift's `==` on strings would hold canonically equivalent texts equal.)
    public static func == (a: MemoryRecord, b: MemoryRecord) -> Bool {
        a.json.bytes == b.json.bytes
    }
}

extension SearchHit {
    /// Writes the record's members and then dist, score and score_type.
    public func writeMembers(to writer: inout JSONWriter) {
        record.writeMembers(to: &writer)
        writer.member("dist", distance)
        writer.member("score", score)
        writer.member("score_type", scoreType?.rawValue)
        if let explanation { writer.member("explanation") { explanation.write(to: &$0) } }
    }
}
