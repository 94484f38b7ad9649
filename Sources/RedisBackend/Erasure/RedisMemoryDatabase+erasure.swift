public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase: ErasableDatabase {
    /// The position of a step that has not come to the events; later ones are their numbers.
    private static let records = "records"
    private static let recordsPerStep = 500
    private static let eventsPerStep = 500
    /// Entries that one script copies.
    private static let entriesPerCopy = 500
    /// Seconds until the copy of a server that died is removed.
    private static let abandonedCopySeconds = 3600

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
        guard answer.count == 2, let removed = answer[1].integer else { throw RecordScripts.unknownAnswer }
        if let last = answer[0].string { return ErasureStep(events: removed, next: last) }
        try await rewriteEvents()
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

    /// Puts a stream of the events that are left in the place of the present one.
    private func rewriteEvents() async throws {
        // Another erasure in between makes a copy worthless, but comes to its end.
        for _ in 0..<100 where try await rewrittenEvents() { return }
        throw MemoryError(.conflict, "other erasures of events come all the time; try again")
    }

    /// - Returns: `false` if events were erased meanwhile.
    private func rewrittenEvents() async throws -> Bool {
        let copy = "\(eventsKey)\(ErasureScripts.copySuffix)\(ULID.make())"
        let erasures = try await mappingErrors {
            try await client.send(RedisCommand("GET", eventsKey + ErasureScripts.erasuresSuffix), isRead: true)
        }
        var last = "0"
        var copied = Self.entriesPerCopy
        while copied == Self.entriesPerCopy {
            let answer =
                try await mappingErrors {
                    try await client.evaluate(ErasureScripts.copy, keys: [eventsKey, copy]) { command in
                        command.append(last)
                        command.append(Self.entriesPerCopy)
                        command.append(Self.abandonedCopySeconds)
                    }
                }.array ?? []
            guard answer.count == 2, let count = answer[0].integer, let number = answer[1].string else {
                throw RecordScripts.unknownAnswer
            }
            (copied, last) = (count, number)
        }
        return try await mappingErrors {
            try await client.evaluate(ErasureScripts.replace, keys: [eventsKey, copy]) { command in
                command.append(last)
                command.append(erasures.string ?? "")
            }
        }.integer == 1
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
