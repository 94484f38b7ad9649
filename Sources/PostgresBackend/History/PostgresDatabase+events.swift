import AgentMemory
import PostgresDriver

/// The reads of `memory_events`.
extension PostgresDatabase {
    func events(
        of id: String, within scope: AccessScope, page: PageRequest, _ deadline: ContinuousClock.Instant
    ) async throws -> Page<MemoryEvent> {
        let results = try await pipeline(
            [HistorySQL.page(of: id, within: scope, page), HistorySQL.count(of: id, within: scope)],
            retry: .repeatable, deadline: deadline)
        return Page(
            items: try results[0].rows.map { try $0.event() }, total: try results[1].singleRow().int(0), request: page)
    }

    func events(
        after sequence: Int, limit: Int, within scope: AccessScope, _ deadline: ContinuousClock.Instant
    ) async throws -> [MemoryEvent] {
        // Two statements, so that the second sees what was committed after the first.
        let state = try await pipeline([HistorySQL.last, HistorySQL.held], retry: .repeatable, deadline: deadline)
        let settled = HistorySQL.settled(
            last: try state[0].singleRow().int(0), held: try state[1].rows.map { try $0.int(0) })
        guard settled > sequence else { return [] }
        return try await query(
            HistorySQL.feed(after: sequence, through: settled, limit: limit, within: scope), retry: .repeatable,
            deadline: deadline
        ).rows.map { try $0.event() }
    }

    func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope,
        _ deadline: ContinuousClock.Instant
    ) async throws -> [MemoryEvent] {
        try await query(
            HistorySQL.ofOperation(operation, after: sequence, limit: limit, within: scope), retry: .repeatable,
            deadline: deadline
        ).rows.map { try $0.event() }
    }

    func latestEvents(
        of ids: [String], _ deadline: ContinuousClock.Instant
    ) async throws -> [ExactString: Int] {
        try await query(HistorySQL.latest(of: ids), retry: .repeatable, deadline: deadline).latestEvents()
    }

    /// Removes events that are older than they are kept.
    func sweepEvents(_ history: HistoryRetention) async throws {
        guard case .days(let days) = history else { return }
        try await sweep(batch: 1000) { HistorySQL.sweep(days: days, limit: $0) }
    }
}

extension PostgresResult {
    /// The rows of ``HistorySQL/latest(of:)``.
    func latestEvents() throws -> [ExactString: Int] {
        var latest: [ExactString: Int] = [:]
        for row in rows { latest[ExactString(try row.text(0))] = try row.int(1) }
        return latest
    }
}

extension PostgresRow {
    /// An event from the columns of ``HistorySQL``.
    fileprivate func event() throws -> MemoryEvent {
        guard let kind = MemoryEvent.Kind(rawValue: try text(2)) else {
            throw PostgresError(.unexpectedResult, "the history has a kind of event that this version does not know")
        }
        return MemoryEvent(
            sequence: try int(0), time: try date(1), kind: kind, id: try text(3), namespace: try optionalText(4),
            userID: try optionalText(5), operation: try text(6), caller: try optionalText(7),
            reason: try optionalText(8), successor: try optionalText(10),
            before: isNull(9) ? nil : try Self.apiSpelling(of: try jsonObject(9)))
    }

    /// The fields as the API spells them, of those that the server's `to_json` has made of a row.
    private static func apiSpelling(of columns: JSONObject) throws -> JSONObject {
        var fields = JSONObject()
        // Of a whole record, its id is among them.
        let isWhole = columns[RecordField.id.name] != nil
        for field in RecordField.allCases {
            guard let value = columns[field.name] else { continue }
            switch field {
            // A record without it has no such member.
            case .expiresAt where value == .null && isWhole: continue
            case .lastAccessed, .createdAt, .updatedAt, .persistedAt, .eventDate, .expiresAt:
                guard let text = value.stringValue else {
                    fields[field.name] = .null
                    continue
                }
                guard let date = Timestamp(parsing: text) else {
                    throw PostgresError(.unexpectedResult, "the history has a date that cannot be read")
                }
                fields[field.name] = .string(date.iso8601)
            case .discreteMemoryExtracted: fields[field.name] = .string(value.boolValue == true ? "t" : "f")
            case .metadata, .extractionStrategyConfig:
                // As text, which the server has not read.
                guard let json = try value.stringValue.map({ try JSONValue(parsing: $0) }) else {
                    throw PostgresError(.unexpectedResult, "the history has a document that cannot be read")
                }
                fields[field.name] = json
            default: fields[field.name] = value
            }
        }
        return fields
    }
}
