public import AgentMemory
import RedisDriver
import Synchronization

extension RedisMemoryDatabase: RecordHistory {
    public var makesEvents: Bool { configuration.history != .off }

    // No colon after the index's name: if that is the keys' prefix, this is not a record.
    var eventsKey: String { "\(configuration.indexName)_events" }

    /// Who writes, for the scripts.
    var origin: String { EventScript.argument(configuration.history, keyPrefix: "\(configuration.keyPrefix):") }

    /// Reads the events, and removes old ones.
    var stream: EventStream { EventStream(client: client, key: eventsKey) }

    public func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        try await mappingErrors { try await stream.events(of: id, within: scope, page: page) }
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        try await mappingErrors { try await stream.events(after: sequence, limit: limit, within: scope) }
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        try await mappingErrors {
            try await stream.events(ofOperation: operation, after: sequence, limit: limit, within: scope)
        }
    }

    public func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        try await mappingErrors { try await stream.latestEvents(of: ids) }
    }

    public func rewrite(_ rewrites: [RecordRewrite], within scope: AccessScope) async throws -> [String] {
        let records = rewrites.compactMap(\.record)
        var encodings: [ExactString: TextEncoding] = [:]
        for (record, encoding) in zip(records, try await embedder.checkedEncodings(of: records.map(\.text))) {
            encodings[ExactString(record.id)] = encoding
        }
        let known = encodings
        let outcomes = Mutex<[Int]>([])
        try await writing(records: rewrites.count) { field, probe in
            let keys = [eventsKey, deletionsKey] + rewrites.map { key($0.id) }
            let reply = try await client.evaluate(HistoryScripts.rewrite, keys: keys) { command in
                command.append(origin)
                command.append(OwnerScript.argument(scope))
                for rewrite in rewrites {
                    command.append(rewrite.id)
                    command.append(rewrite.latestEvent)
                    guard let record = rewrite.record, let encoding = known[ExactString(record.id)] else {
                        command.append("")
                        continue
                    }
                    command.append(
                        bytes: RecordHash.packed(record, terms: terms(of: record.text), encoding: encoding, in: field))
                }
            }
            let answers = reply.array?.compactMap(\.integer) ?? []
            guard answers.count == rewrites.count else { throw RecordScripts.unknownAnswer }
            outcomes.withLock { $0 = answers }
            return try await client.pipeline([probe], isRead: true)[0]
        }
        return zip(rewrites, outcomes.withLock(\.self)).filter { $0.1 == 0 }.map(\.0.id)
    }

    /// Removes events that are older than they are kept.
    func sweepEvents() async throws {
        guard case .days(let days) = configuration.history else { return }
        try await sweepEvents(keptSeconds: days * 86_400)
    }

    func sweepEvents(keptSeconds: Int) async throws {
        while try await mappingErrors({ try await stream.sweep(keptSeconds: keptSeconds) }) {}
    }
}
