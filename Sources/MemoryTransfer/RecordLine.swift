import AgentMemory

/// `{"record": {…}}` with the fields as the API spells them, and `"vector"`: base64 of
/// little-endian 32-bit floats.
enum RecordLine {
    static func json(_ record: SnapshotRecord) -> JSONWriter {
        var writer = JSONWriter(capacity: record.record.text.utf8.count + 768 + (record.vector?.count ?? 0) * 6)
        writer.object { writer in
            writer.member("record") { writer in writer.object { record.record.writeMembers(to: &$0) } }
            if let vector = record.vector { writer.member("vector", Base64Floats.encode(vector)) }
        }
        return writer
    }

    /// Reads the record of a line.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` that names the field.
    static func record(_ json: JSONValue, _ header: ExportHeader, of source: String) throws(MemoryError)
        -> SnapshotRecord
    {
        try json.refuseUnknown(["record", "vector"], in: source)
        guard let fields = json["record"], fields.objectValue != nil else {
            throw .invalid("record", "\(source): record is not an object")
        }
        let record = try record(fields, of: source)
        guard let vector = json["vector"] else { return SnapshotRecord(record) }
        guard header.hasVectors else {
            throw .invalid("vector", "\(source) has a vector, and the first line says that there are none")
        }
        guard let floats = vector.stringValue.flatMap({ Base64Floats.decode($0) }) else {
            throw .invalid("vector", "\(source): vector is not base64 of 32-bit floats")
        }
        guard floats.count == header.dimensions, floats.allSatisfy(\.isFinite), floats.contains(where: { $0 != 0 })
        else {
            throw .invalid("vector", "\(source): vector is not one of \(header.dimensions) dimensions")
        }
        return SnapshotRecord(record, vector: floats)
    }

    static func record(_ fields: JSONValue, of source: String) throws(MemoryError) -> MemoryRecord {
        var source = source
        if let id = fields["id"]?.stringValue, id.utf8.count <= 512 { source += " (memory \(id))" }
        try fields.refuseUnknown(RecordField.allCases.map(\.name), in: source)
        var members = RecordMembers(fields, .api, of: source, failing: .invalidInput)
        let record = try MemoryRecord(reading: &members)
        do throws(MemoryError) {
            return try record.checked()
        } catch {
            throw MemoryError(error.code, "\(source): \(error.message)", path: error.path)
        }
    }
}

extension JSONValue {
    /// - Throws: ``MemoryError`` with code `invalidInput` that names a member other than these.
    func refuseUnknown(_ known: [String], in source: String) throws(MemoryError) {
        let names = Set(known.map(ExactString.init))
        for member in objectValue?.members ?? [] where !names.contains(ExactString(member.name)) {
            throw .invalid(member.name, "\(source) has the unknown member \(member.name)")
        }
    }
}
