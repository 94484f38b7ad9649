import AgentMemory

/// `{"record": {…}}` with the fields as the API spells them, and `"vector"`: base64 of
/// little-endian 32-bit floats.
enum RecordLine {
    static func json(_ record: SnapshotRecord) -> JSONWriter {
        var writer = JSONWriter(capacity: record.record.text.utf8.count + 768 + (record.vector?.count ?? 0) * 6)
        writer.object { writer in
            writer.member("record") { writer in writer.object { record.record.writeMembers(to: &$0) } }
            if let vector = record.vector { writer.member("vector", Base64Vector.encode(vector)) }
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
        guard let floats = vector.stringValue.flatMap(Base64Vector.decode) else {
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

/// Vectors as text: base64 (RFC 4648, section 4) of little-endian 32-bit floats.
enum Base64Vector {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, byte) in alphabet.enumerated() { values[Int(byte)] = UInt8(value) }
        return values
    }()

    static func encode(_ vector: [Float]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(vector.count * 16 / 3 + 4)
        var bits: UInt64 = 0
        var count = 0
        for value in vector {
            bits = bits << 32 | UInt64(value.bitPattern.byteSwapped)
            count += 32
            while count >= 6 {
                count -= 6
                text.append(alphabet[Int(bits >> UInt64(count)) & 63])
            }
            bits &= (1 << UInt64(count)) - 1
        }
        if count > 0 { text.append(alphabet[Int(bits << UInt64(6 - count)) & 63]) }
        while !text.count.isMultiple(of: 4) { text.append(UInt8(ascii: "=")) }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: `nil` for another alphabet or a length that is not a whole number of floats.
    static func decode(_ string: String) -> [Float]? {
        let text = Array(string.utf8)
        var end = text.count
        guard end.isMultiple(of: 4) else { return nil }
        while end > 0, text.count - end < 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
        guard (end * 6 / 8).isMultiple(of: 4) else { return nil }
        var floats: [Float] = []
        floats.reserveCapacity(end * 6 / 32)
        var bits: UInt64 = 0
        var count = 0
        for byte in text[..<end] {
            let value = values[Int(byte)]
            guard value < 64 else { return nil }
            bits = bits << 6 | UInt64(value)
            count += 6
            if count >= 32 {
                count -= 32
                floats.append(Float(bitPattern: UInt32(truncatingIfNeeded: bits >> UInt64(count)).byteSwapped))
                bits &= (1 << UInt64(count)) - 1
            }
        }
        return floats
    }
}
