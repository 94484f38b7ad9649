public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase: ErasableDatabase {
    /// The position of a step that has not come to the events; later ones are their numbers.
    private static let records = "records"
    private static let recordsPerStep = 500
    private static let eventsPerStep = 500

    public func erase(_ scope: ErasureScope, from position: String?) async throws -> ErasureStep {
        guard let position, position != Self.records else { return try await eraseRecords(scope) }
        let keys = [eventsKey, deletionsKey]
        let answer =
            try await mappingErrors {
                try await client.evaluate(ErasureScripts.events, keys: keys) { command in
                    append(scope, to: &command)
                    command.append(position)
                    command.append(Self.eventsPerStep)
                }
            }.array ?? []
        guard answer.count == 3, let removed = answer[1].integer else { throw RecordScripts.unknownAnswer }
        if let last = answer[0].string { return ErasureStep(events: removed, next: last) }
        try await stream.rewrite(in: database)
        return ErasureStep(events: removed, next: nil)
    }

    private func eraseRecords(_ scope: ErasureScope) async throws -> ErasureStep {
        let found = try await list(
            ListQuery(filter: try scope.filter(), page: try PageRequest(limit: Self.recordsPerStep)))
        let keys = [eventsKey, deletionsKey] + found.items.map { key($0.id) }
        let answer =
            try await mappingErrors(within: database.timeout.grown(records: keys.count)) {
                try await client.evaluate(ErasureScripts.records, keys: keys) { append(scope, to: &$0) }
            }.array?.compactMap(\.integer) ?? []
        guard answer.count == 2 else { throw RecordScripts.unknownAnswer }
        // What could not be removed would be found for ever.
        return ErasureStep(memories: answer[0], events: answer[1], next: answer[0] > 0 ? Self.records : "0")
    }

    private func append(_ scope: ErasureScope, to command: inout RedisCommand) {
        command.append([scope.userID ?? "", scope.namespace ?? "", scope.sessionID ?? "", key(""), claimKey("")])
    }

    public func noteErasure(_ id: String) async throws {
        _ = try await mappingErrors {
            try await client.evaluate(ErasureScripts.note, keys: []) { command in
                appendOrigin(to: &command)
                command.append(key(id))
            }
        }
    }
}
