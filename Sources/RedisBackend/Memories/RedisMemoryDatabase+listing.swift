public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    public func count(_ filter: MemoryFilter) async throws -> Int {
        if let id = filter.soleID {
            return try await record(withID: id) == nil ? 0 : 1
        }
        return try await reading { commands, ready in
            try ready.settings.check(filter)
            return try Self.total(try await client.send(commands.count(QueryText(filter)), isRead: true))
        }
    }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        if let id = query.filter.soleID {
            let found = try await record(withID: id).map { [$0] } ?? []
            return Page(items: query.page.offset == 0 ? found : [], total: found.count, request: query.page)
        }
        return try await readingPage { commands, ready in
            try ready.settings.check(query.filter)
            let text = QueryText(query.filter)
            var total: Int
            var rows: [SearchRow] = []
            if query.page.end <= commands.speculativeEnd {
                let newest = newestDates.narrowing(text, page: query.page)
                // What is narrowed cannot tell the total.
                let isCounted = newest == nil && commands.countsSorted
                let replies = try await client.pipeline(
                    (isCounted ? [] : [commands.count(text)])
                        + [try commands.newest(newest ?? text, .init(query.page))], isRead: true)
                total = try Self.total(replies[0])
                rows = try SearchRow.rows(replies[replies.count - 1])
                if newest != nil, rows.count < query.page.limit, query.page.offset + rows.count < total {
                    // Records were deleted since.
                    rows = try SearchRow.rows(
                        try await client.send(try commands.newest(text, .init(query.page)), isRead: true))
                }
            } else {
                total = try Self.total(try await client.send(commands.count(text), isRead: true))
                if query.page.offset < total {
                    rows = try SearchRow.rows(
                        try await client.send(try commands.newest(text, .init(query.page, total: total)), isRead: true))
                }
            }
            let records = try await records(rows.map(\.id))
            // A writer may have come between the two responses.
            total = max(total, rows.isEmpty ? 0 : query.page.offset + rows.count)
            if rows.count == query.page.limit, let last = records[rows.count - 1] {
                newestDates.learn(text, page: query.page, total: total, oldest: last.createdAt)
            }
            return LoadedPage(rows.indices.map { records[$0] }, total: total, request: query.page)
        }
    }

    /// Reads without the index, which may be being built and not know what has expired.
    private func record(withID id: String) async throws -> MemoryRecord? {
        let found = try await mappingErrors { try await records([id])[0] }
        guard let date = found?.expiresAt, date <= .now() else { return found }
        return nil
    }

    static func total(_ reply: RedisValue) throws -> Int {
        guard let total = try reply.get().array?.first?.integer else {
            throw MemoryError(.internalError, "the Redis server sent no total for a search")
        }
        return total
    }
}

extension SearchCommands {
    /// A page that ends before this is requested together with the total.
    var speculativeEnd: Int { min(100_000, maximumResults) }
}

extension SearchCommands.Window {
    /// The page as far as there are results, so that no sum overflows.
    init(_ page: PageRequest, total: Int) {
        self.init(offset: page.offset, limit: min(page.limit, max(1, total - page.offset)))
    }
}
