import AgentMemory
import RedisDriver

/// A record as the fields of a Redis hash: the layout of the reference server, which can read it,
/// and three more fields.
enum RecordHash {
    /// The analyser's words, separated by blanks; records of the reference get them from the
    /// backfill.
    static let keywordTerms = "keyword_terms"
    /// Only if an id starts or ends with a blank: the id between `<` and `>`. An index of tags
    /// trims its values, so in `id_` such an id would equal the one without the blank.
    static let exactID = "id_exact"
    /// The reference's, and the name under which queries find the vectors of any field.
    static let vector = "vector"

    /// The terms of ``MetadataTerms``, separated by commas; absent for a record without metadata.
    static let metadataTerms = "metadata_terms"

    /// The bits of the text's tokens; no index reads them.
    static let tokenBits = "token_bits"

    /// The fields that a record is read from: all except the vector, which is large and never
    /// shown.
    static let fields = RecordField.allCases.map(name)

    /// The reference's spelling, which differs for the id.
    static func name(_ field: RecordField) -> String { field == .id ? "id_" : field.name }

    // MARK: Writing

    /// The fields that follow from the record itself; absent dates are left out.
    static func fields(of record: MemoryRecord) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        fields.reserveCapacity(RecordField.allCases.count + 2)
        for field in RecordField.allCases {
            if let text = text(record.value(of: field)) { fields.append((name(field), text)) }
        }
        if let exact = exactID(of: record.id) { fields.append((exactID, exact)) }
        if !record.metadata.isEmpty { fields.append((metadataTerms, terms(of: record.metadata))) }
        return fields
    }

    /// The value of ``metadataTerms``; empty without metadata.
    static func terms(of metadata: JSONObject) -> String {
        MetadataTerms.of(metadata, withPrefixes: true).joined(separator: ",")
    }

    /// `nil` for what is left out.
    private static func text(_ value: RecordValue) -> String? {
        switch value {
        case .text(let text): text
        case .optionalText(let text): text ?? ""
        case .memoryType(let type): type.rawValue
        case .texts(let texts): texts.joined(separator: ",")
        case .flag(let flag): flag ? "1" : "0"
        case .letterFlag(let flag): flag ? "t" : "f"
        case .count(let count): String(count)
        case .object(let object): JSONValue.object(object).jsonText
        case .date(let date): RedisDate.text(date)
        case .optionalDate(let date): date.map(RedisDate.text)
        }
    }

    /// The command that writes a whole record to an empty key.
    ///
    /// - Parameter field: that of the vector.
    static func write(
        _ record: MemoryRecord, terms: String, encoding: TextEncoding, in field: String, key: String
    ) -> RedisCommand {
        let fields = fields(of: record)
        let vector = encoding.vector
        let tokens = encoding.tokens?.bits.storedBytes
        var command = RedisCommand("HSET", key)
        command.reserve(
            arguments: 2 * fields.count + 6,
            bytes: fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count } + terms.utf8.count
                + vector.count * 4 + (tokens?.count ?? 0) + 48)
        for (name, value) in fields {
            command.append(name)
            command.append(value)
        }
        command.append(keywordTerms)
        command.append(terms)
        command.append(field)
        command.append(bytes: bytes(of: vector))
        if let tokens {
            command.append(tokenBits)
            command.append(bytes: tokens)
        }
        return command
    }

    /// What ``write(_:terms:encoding:in:key:)`` writes, for a script.
    static func packed(
        _ record: MemoryRecord, terms: String, encoding: TextEncoding, in field: String
    ) -> [UInt8] {
        var packed = PackedFields()
        for (name, value) in fields(of: record) { packed.append(name, value.utf8) }
        packed.append(keywordTerms, terms.utf8)
        packed.append(field, bytes(of: encoding.vector))
        if let tokens = encoding.tokens { packed.append(tokenBits, tokens.bits.storedBytes) }
        return packed.bytes
    }

    /// Little-endian 32-bit floats, as the engine reads them.
    static func bytes(of vector: [Float]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: vector.count * 4) { buffer, initialized in
            for (i, value) in vector.enumerated() {
                let bits = value.bitPattern
                for byte in 0..<4 {
                    buffer.initializeElement(at: i * 4 + byte, to: UInt8(truncatingIfNeeded: bits >> UInt32(byte * 8)))
                }
            }
            initialized = vector.count * 4
        }
    }

    /// The value of ``exactID`` for this id; `nil` for the ids that need no such field.
    static func exactID(of id: String) -> String? {
        guard let first = id.utf8.first, let last = id.utf8.last, isBlank(first) || isBlank(last) else { return nil }
        return "<\(id)>"
    }

    /// The characters of C's `isspace`, which the engine trims.
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    // MARK: Reading

    /// The object in a field of a hash; empty for anything else.
    static func object(_ text: String?) -> JSONObject {
        guard let text, !text.isEmpty else { return [:] }
        return (try? JSONValue(parsing: text))?.objectValue ?? [:]
    }

    /// The record with these fields (in the order of ``fields``); `nil` if the key has no record
    /// any more.
    static func record(from values: [RedisValue]) -> MemoryRecord? {
        guard values.count == fields.count, values[RecordField.id.rawValue].string != nil,
            values[RecordField.text.rawValue].string != nil
        else { return nil }
        var source = HashFields(values: values)
        return MemoryRecord(reading: &source)
    }

    /// Some fields of a record in the API's spelling.
    ///
    /// - Parameter values: those of the fields, under their names in the hash.
    static func members(_ fields: [RecordField], of values: [String: RedisValue]) -> JSONObject {
        var source = HashFields(values: Self.fields.map { values[$0] ?? .null })
        let record = MemoryRecord(reading: &source).jsonObject
        var members = JSONObject()
        for field in fields { members[field.name] = record[field.name] ?? .null }
        return members
    }
}

/// Reads the fields of a record from the values of its hash, in the order of ``RecordHash/fields``.
///
/// Accepts everything that the reference server may have written: missing fields, other spellings
/// of dates, flags and numbers.
private struct HashFields: RecordSource {
    let values: [RedisValue]

    private func value(_ field: RecordField) -> RedisValue { values[field.rawValue] }

    func text(_ field: RecordField) -> String {
        switch field {
        case .extractionStrategy:
            optionalText(field)
                ?? (optionalText(.memoryType) == "message" ? "message" : MemoryRecord.defaultExtractionStrategy)
        default: value(field).string ?? ""
        }
    }

    func optionalText(_ field: RecordField) -> String? {
        guard let text = value(field).string, !text.isEmpty else { return nil }
        return text
    }

    func memoryType(_ field: RecordField) -> MemoryType {
        optionalText(field).map { MemoryType(rawValue: $0) ?? .semantic } ?? .message
    }

    func texts(_ field: RecordField) -> [String] {
        guard let joined = optionalText(field) else { return [] }
        return joined.utf8.split(separator: UInt8(ascii: ",")).compactMap { part in
            let trimmed = Self.trim(Substring(part))
            return trimmed.isEmpty ? nil : String(trimmed)
        }
    }

    func flag(_ field: RecordField) -> Bool { ["1", "true", "True", "t"].contains(optionalText(field)) }
    func letterFlag(_ field: RecordField) -> Bool { optionalText(field) == "t" }

    func count(_ field: RecordField) -> Int {
        max(0, value(field).double.map { Int(exactly: $0.rounded()) ?? 0 } ?? 0)
    }

    func object(_ field: RecordField) -> JSONObject { RecordHash.object(optionalText(field)) }

    /// Only foreign data can lack all of these dates; any fixed date would do.
    func date(_ field: RecordField) -> Timestamp {
        optionalDate(field) ?? optionalDate(.createdAt) ?? optionalDate(.updatedAt) ?? Timestamp(microseconds: 0)
            ?? .earliest
    }

    func optionalDate(_ field: RecordField) -> Timestamp? { optionalText(field).flatMap(RedisDate.timestamp) }

    private static func trim(_ text: Substring) -> Substring {
        var text = text
        while let first = text.unicodeScalars.first, first.properties.isWhitespace { text.unicodeScalars.removeFirst() }
        while let last = text.unicodeScalars.last, last.properties.isWhitespace { text.unicodeScalars.removeLast() }
        return text
    }
}
