public import AgentMemory
import RedisDriver
import Synchronization

extension RedisMemoryDatabase: RecordHistory {
    public var makesEvents: Bool { configuration.history != .off }

    // No colon after the index's name: if that is the keys' prefix, this is not a record.
    var eventsKey: String { "\(configuration.indexName)_events" }

    /// Who writes, for the scripts.
    var origin: String { EventScript.argument(configuration.history, keyPrefix: "\(configuration.keyPrefix):") }

    public func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        let list = eventsKey + EventScript.recordInfix + id
        return try await mappingErrors {
            let count = try await client.send(RedisCommand("LLEN", list), isRead: true).integer ?? 0
            guard !scope.isEverything else {
                let numbers = try await numbers(in: list, before: count - min(page.offset, count), limit: page.limit)
                return Page(items: try await events(numbers), total: count, request: page)
            }
            // Only the events themselves tell who may see them.
            var total = 0
            var items: [MemoryEvent] = []
            var end = count
            while end > 0 {
                let numbers = try await numbers(in: list, before: end, limit: Self.eventsPerRead)
                for event in try await events(numbers) where event.isWithin(scope) {
                    if total >= page.offset, items.count < page.limit { items.append(event) }
                    total += 1
                }
                end -= Self.eventsPerRead
            }
            return Page(items: items, total: total, request: page)
        }
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        try await mappingErrors {
            var found: [MemoryEvent] = []
            var last = sequence
            while found.count < limit {
                let count = max(limit - found.count, scope.isEverything ? 0 : Self.eventsPerRead)
                let reply = try await client.send(
                    RedisCommand("XRANGE", eventsKey, "(0-\(last)", "+", "COUNT", "\(count)"), isRead: true)
                let events = try (reply.array ?? []).map(EventEntry.event)
                found += events.lazy.filter { $0.isWithin(scope) }.prefix(limit - found.count)
                guard let final = events.last, events.count == count else { break }
                last = final.sequence
            }
            return found
        }
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        let list = eventsKey + EventScript.operationInfix + operation
        return try await mappingErrors {
            var found: [MemoryEvent] = []
            var start = 0
            while found.count < limit {
                let range = RedisCommand("LRANGE", list, "\(start)", "\(start + Self.eventsPerRead - 1)")
                let numbers = try await client.send(range, isRead: true).array ?? []
                let later = numbers.compactMap(\.integer).filter { $0 > sequence }
                found += try await events(later).filter { $0.isWithin(scope) }.prefix(limit - found.count)
                guard numbers.count == Self.eventsPerRead else { break }
                start += Self.eventsPerRead
            }
            return found
        }
    }

    public func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        try await mappingErrors {
            let replies = try await client.pipeline(
                ids.map { RedisCommand("LINDEX", eventsKey + EventScript.recordInfix + $0, "-1") }, isRead: true)
            var latest: [ExactString: Int] = [:]
            for (id, reply) in zip(ids, replies) { latest[ExactString(id)] = try reply.get().integer }
            return latest
        }
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

    private static let eventsPerRead = 500

    /// The numbers of a list before a position, the last ones first.
    private func numbers(in list: String, before end: Int, limit: Int) async throws -> [Int] {
        guard end > 0 else { return [] }
        let range = RedisCommand("LRANGE", list, "\(max(0, end - limit))", "\(end - 1)")
        return try await client.send(range, isRead: true).array?.compactMap(\.integer).reversed() ?? []
    }

    /// The events with these numbers, in their order, except those that are removed meanwhile.
    private func events(_ numbers: [Int]) async throws -> [MemoryEvent] {
        let replies = try await client.pipeline(
            numbers.map { RedisCommand("XRANGE", eventsKey, "0-\($0)", "0-\($0)") }, isRead: true)
        return try replies.compactMap { try $0.get().array?.first.map(EventEntry.event) }
    }

    /// Removes events that are older than they are kept.
    func sweepEvents() async throws {
        guard case .days(let days) = configuration.history else { return }
        try await sweepEvents(keptSeconds: days * 86_400)
    }

    func sweepEvents(keptSeconds: Int) async throws {
        let limit = 1000
        var removed = limit
        while removed == limit {
            removed = try await mappingErrors {
                let reply = try await client.evaluate(HistoryScripts.sweep, keys: [eventsKey]) { command in
                    command.append(keptSeconds)
                    command.append(limit)
                }
                return reply.integer ?? 0
            }
        }
    }
}
