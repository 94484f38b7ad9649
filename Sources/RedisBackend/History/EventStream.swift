import AgentMemory
import RedisDriver

/// The stream of events with its lists (``EventScript``). Errors are those of the driver.
struct EventStream {
    let client: RedisClient
    let key: String

    private static let eventsPerRead = 500
    private static let eventsPerSweep = 1000
    /// Entries that one script copies.
    private static let entriesPerCopy = 500
    /// Seconds until the copy of a server that died is removed.
    private static let abandonedCopySeconds = 3600

    func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        let list = key + EventScript.recordInfix + id
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

    func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        var found: [MemoryEvent] = []
        var last = sequence
        while found.count < limit {
            let count = max(limit - found.count, scope.isEverything ? 0 : Self.eventsPerRead)
            let reply = try await client.send(
                RedisCommand("XRANGE", key, "(0-\(last)", "+", "COUNT", "\(count)"), isRead: true)
            let events = try (reply.array ?? []).map(EventEntry.event)
            found += events.lazy.filter { $0.isWithin(scope) }.prefix(limit - found.count)
            guard let final = events.last, events.count == count else { break }
            last = final.sequence
        }
        return found
    }

    func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        let list = key + EventScript.operationInfix + operation
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

    func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        let replies = try await client.pipeline(
            ids.map { RedisCommand("LINDEX", key + EventScript.recordInfix + $0, "-1") }, isRead: true)
        var latest: [ExactString: Int] = [:]
        for (id, reply) in zip(ids, replies) { latest[ExactString(id)] = try reply.get().integer }
        return latest
    }

    /// The numbers of a list before a position, the last ones first.
    private func numbers(in list: String, before end: Int, limit: Int) async throws -> [Int] {
        guard end > 0 else { return [] }
        let range = RedisCommand("LRANGE", list, "\(max(0, end - limit))", "\(end - 1)")
        return try await client.send(range, isRead: true).array?.compactMap(\.integer).reversed() ?? []
    }

    /// The events with these numbers, in their order, except those that are removed meanwhile.
    private func events(_ numbers: [Int]) async throws -> [MemoryEvent] {
        let replies = try await client.pipeline(
            numbers.map { RedisCommand("XRANGE", key, "0-\($0)", "0-\($0)") }, isRead: true)
        return try replies.compactMap { try $0.get().array?.first.map(EventEntry.event) }
    }

    // MARK: Removing

    /// Removes some of the oldest events that are older than this.
    ///
    /// - Returns: whether there may be more.
    func sweep(keptSeconds: Int) async throws -> Bool {
        let reply = try await client.evaluate(HistoryScripts.sweep, keys: [key]) { command in
            command.append(keptSeconds)
            command.append(Self.eventsPerSweep)
        }
        return reply.integer == Self.eventsPerSweep
    }

    /// Puts a stream of the events that are left after an erasure in the place of the present one.
    ///
    /// - Throws: ``MemoryError``.
    func rewrite(in database: RedisDatabase) async throws {
        // Another erasure in between makes a copy worthless, but comes to its end.
        for _ in 0..<100 where try await isRewritten(in: database) { return }
        throw MemoryError(.conflict, "other erasures of events come all the time; try again")
    }

    /// - Returns: `false` if events were erased meanwhile.
    private func isRewritten(in database: RedisDatabase) async throws -> Bool {
        let copy = "\(key)\(ErasureScripts.copySuffix)\(ULID.make())"
        let erasures = try await database.mappingErrors {
            try await client.send(RedisCommand("GET", key + ErasureScripts.erasuresSuffix), isRead: true)
        }
        var last = "0"
        var copied = Self.entriesPerCopy
        while copied == Self.entriesPerCopy {
            let answer =
                try await database.mappingErrors {
                    try await client.evaluate(ErasureScripts.copy, keys: [key, copy]) { command in
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
        return try await database.mappingErrors {
            try await client.evaluate(ErasureScripts.replace, keys: [key, copy]) { command in
                command.append(last)
                command.append(erasures.string ?? "")
            }
        }.integer == 1
    }
}
