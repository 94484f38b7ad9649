import AgentMemory
import RedisDriver

/// A record as the fields of a Redis hash: the layout of the reference server, which can read what is written here, and
/// two fields more.
enum RecordHash {
    /// The analyser's words, separated by blanks; the reference's records get them from the sweep.
    static let keywordTerms = "keyword_terms"
    /// Only where an id begins or ends with a blank: the id between `<` and `>`. An index of tags trims its values, so
    /// in `id_` such an id could not be told from the one without the blank.
    static let exactID = "id_exact"
    /// The reference's, and the name under which queries find the vectors of any field.
    static let vector = "vector"

    /// What a record is read from: every field but the vector, which is large and never shown.
    static let fields = [
        "id_", "text", "session_id", "user_id", "namespace", "memory_type", "topics", "entities", "extracted_from",
        "discrete_memory_extracted", "extraction_strategy", "extraction_strategy_config", "metadata", "memory_hash",
        "pinned", "access_count", "created_at", "last_accessed", "updated_at", "persisted_at", "event_date",
    ]

    // MARK: Writing

    /// The fields that follow from the record itself; absent dates are left out.
    static func fields(of record: MemoryRecord) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = [
            ("id_", record.id),
            ("text", record.text),
            ("session_id", record.sessionID ?? ""),
            ("user_id", record.userID ?? ""),
            ("namespace", record.namespace ?? ""),
            ("memory_type", record.memoryType.rawValue),
            ("topics", record.topics.joined(separator: ",")),
            ("entities", record.entities.joined(separator: ",")),
            ("extracted_from", record.extractedFrom.joined(separator: ",")),
            ("discrete_memory_extracted", record.discreteMemoryExtracted ? "t" : "f"),
            ("extraction_strategy", record.extractionStrategy),
            ("extraction_strategy_config", JSONValue.object(record.extractionStrategyConfig).jsonText),
            ("metadata", JSONValue.object(record.metadata).jsonText),
            ("memory_hash", record.memoryHash),
            ("pinned", record.pinned ? "1" : "0"),
            ("access_count", String(record.accessCount)),
            ("created_at", RedisDate.text(record.createdAt)),
            ("last_accessed", RedisDate.text(record.lastAccessed)),
            ("updated_at", RedisDate.text(record.updatedAt)),
        ]
        if let date = record.persistedAt { fields.append(("persisted_at", RedisDate.text(date))) }
        if let date = record.eventDate { fields.append(("event_date", RedisDate.text(date))) }
        if let exact = exactID(of: record.id) { fields.append((exactID, exact)) }
        return fields
    }

    /// The command that writes a record whole to a key that holds nothing.
    ///
    /// - Parameter field: that of the vector.
    static func write(
        _ record: MemoryRecord, terms: String, vector: [Float], in field: String, key: String
    ) -> RedisCommand {
        let fields = fields(of: record)
        var command = RedisCommand("HSET", key)
        command.reserve(
            arguments: 2 * fields.count + 4,
            bytes: fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count } + terms.utf8.count
                + vector.count * 4 + 32)
        for (name, value) in fields {
            command.append(name)
            command.append(value)
        }
        command.append(keywordTerms)
        command.append(terms)
        command.append(field)
        command.append(bytes: bytes(of: vector))
        return command
    }

    /// What ``write(_:terms:vector:in:key:)`` writes, for a script.
    static func packed(_ record: MemoryRecord, terms: String, vector: [Float], in field: String) -> [UInt8] {
        var packed = PackedFields()
        for (name, value) in fields(of: record) { packed.append(name, value.utf8) }
        packed.append(keywordTerms, terms.utf8)
        packed.append(field, bytes(of: vector))
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

    /// What ``exactID`` holds for this id; `nil` for the ids that need no such field.
    static func exactID(of id: String) -> String? {
        guard let first = id.utf8.first, let last = id.utf8.last, isBlank(first) || isBlank(last) else { return nil }
        return "<\(id)>"
    }

    /// What C's `isspace` says, which the engine trims by.
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    // MARK: Reading

    /// The record whose fields (in the order of ``fields``) these are; `nil` if the key holds no record any more.
    ///
    /// Takes whatever the reference server may have written: fields that are missing, other spellings of dates, flags
    /// and numbers.
    static func record(from values: [RedisValue]) -> MemoryRecord? {
        guard values.count == fields.count, let id = values[0].string, let text = values[1].string else { return nil }
        func tag(_ index: Int) -> String? {
            guard let value = values[index].string, !value.isEmpty else { return nil }
            return value
        }
        func list(_ index: Int) -> [String] {
            guard let value = tag(index) else { return [] }
            return value.utf8.split(separator: UInt8(ascii: ",")).compactMap { part in
                let trimmed = trim(Substring(part))
                return trimmed.isEmpty ? nil : String(trimmed)
            }
        }
        func object(_ index: Int) -> JSONObject {
            guard let value = tag(index) else { return [:] }
            return (try? JSONValue(parsing: value))?.objectValue ?? [:]
        }
        func date(_ index: Int) -> Timestamp? { tag(index).flatMap(RedisDate.timestamp) }

        let type = tag(5)
        let updated = date(18)
        // Only foreign data can lack it; any other fixed date would do as well.
        let created = date(16) ?? updated ?? Timestamp(microseconds: 0) ?? .earliest
        return MemoryRecord(
            storedID: id, text: text, sessionID: tag(2), userID: tag(3), namespace: tag(4),
            memoryType: type.map { MemoryType(rawValue: $0) ?? .semantic } ?? .message, topics: list(6),
            entities: list(7), extractedFrom: list(8), discreteMemoryExtracted: tag(9) == "t",
            extractionStrategy: tag(10) ?? (type == "message" ? "message" : MemoryRecord.defaultExtractionStrategy),
            extractionStrategyConfig: object(11), metadata: object(12), memoryHash: tag(13) ?? "",
            pinned: ["1", "true", "True", "t"].contains(tag(14)),
            accessCount: max(0, values[15].double.map { Int(exactly: $0.rounded()) ?? 0 } ?? 0),
            createdAt: created, lastAccessed: date(17) ?? created, updatedAt: updated ?? created,
            persistedAt: date(19), eventDate: date(20))
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text
        while let first = text.unicodeScalars.first, first.properties.isWhitespace { text.unicodeScalars.removeFirst() }
        while let last = text.unicodeScalars.last, last.properties.isWhitespace { text.unicodeScalars.removeLast() }
        return text
    }
}
