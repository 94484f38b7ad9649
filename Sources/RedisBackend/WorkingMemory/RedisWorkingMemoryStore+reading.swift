public import AgentMemory
import RedisDriver

extension RedisWorkingMemoryStore {
    public func read(_ key: SessionKey, lastMessages: Int?) async throws -> StoredSession? {
        var paths = ["."]
        var messages: String?
        if let lastMessages {
            paths = StoredDocument.headPaths
            // A slice from -0 on would be all of them.
            if lastMessages > 0 {
                let path = "$.messages[-\(min(lastMessages, Int(Int32.max))):]"
                messages = path
                paths.append(path)
            }
        }
        let reply = try await mappingErrors { try await read(key, paths) }
        guard let (text, count) = try Self.document(reply) else { return nil }
        return try StoredDocument.session(text, messages: messages, messageCount: count)
    }

    private func read(_ key: SessionKey, _ paths: [String]) async throws -> RedisValue {
        let keys = keys(key)
        return try await client.evaluate(SessionScripts.read, keys: [keys.plain, keys.own], isRead: true) { command in
            command.append(keys.identity)
            command.append(paths)
        }
    }

    /// A script's result for a session: its JSON and the number of messages; `nil` if there is
    /// none.
    static func document(_ reply: RedisValue) throws -> (text: String, messageCount: Int)? {
        if reply.isNull { return nil }
        guard let parts = reply.array, parts.count == 2, let text = parts[0].string, let count = parts[1].integer else {
            throw MemoryError(.internalError, "the Redis server sent an unknown reply about a session")
        }
        return (text, count)
    }

    public func matching(
        _ reference: SessionReference, within scope: AccessScope, limit: Int
    ) async throws -> [SessionKey] {
        guard limit > 0 else { return [] }
        if let namespace = reference.namespace, let userID = reference.userID {
            let key = SessionKey(storedSessionID: reference.sessionID, namespace: namespace, userID: userID)
            guard scope.contains(key) else { return [] }
            return try await mappingErrors { try await read(key, ["$.session_id"]) }.isNull ? [] : [key]
        }
        return try await asking(scope) { queries in
            var window = limit
            while true {
                let command = try queries.matches(reference, within: scope, limit: window)
                let rows = try Self.rows(try await client.send(command, isRead: true))
                let keys = rows.compactMap { row -> SessionKey? in
                    guard let sessionID = row["s"] else { return nil }
                    let key = SessionKey(storedSessionID: sessionID, namespace: row["n"], userID: row["u"])
                    return reference.matches(key) && scope.contains(key) ? key : nil
                }
                // A session can have two documents for a while, if the reference has written one of
                // them.
                let distinct = Set(keys).sorted()
                guard distinct.count < limit, rows.count == window else { return Array(distinct.prefix(limit)) }
                window *= 8
            }
        }
    }

    public func sessionIDs(
        namespace: String?, userID: String?, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<String> {
        try await asking(scope) { queries in
            let now = try await time()
            let count = queries.count(namespace: namespace, userID: userID, within: scope, at: now)
            func ids(_ window: SearchCommands.Window) throws(MemoryError) -> RedisCommand {
                try queries.ids(namespace: namespace, userID: userID, within: scope, at: now, window)
            }
            var total: Int
            var rows: [[String: String]] = []
            if page.end <= min(100_000, queries.maximumResults) {
                let replies = try await client.pipeline([count, try ids(.init(page))], isRead: true)
                total = try Self.total(replies[0])
                rows = try Self.rows(replies[1])
            } else {
                total = try Self.total(try await client.send(count, isRead: true))
                if page.offset < total {
                    rows = try Self.rows(try await client.send(try ids(.init(page, total: total)), isRead: true))
                }
            }
            let found = rows.compactMap { $0["session_id"] }
            // A writer may have come between the two responses.
            total = max(total, found.isEmpty ? 0 : page.offset + found.count)
            return Page(items: found, total: total, request: page)
        }
    }

    /// The server's time, in milliseconds since 1970.
    private func time() async throws -> Int {
        let reply = try await client.send(RedisCommand("TIME"), isRead: true).array ?? []
        guard reply.count == 2, let seconds = reply[0].integer, (0...1_000_000_000_000).contains(seconds),
            let microseconds = reply[1].integer, (0..<1_000_000).contains(microseconds)
        else {
            throw MemoryError(.internalError, "the Redis server did not return its time")
        }
        return seconds * 1000 + microseconds / 1000
    }

    /// No row at all is a total of 0.
    private static func total(_ reply: RedisValue) throws -> Int {
        guard let row = try rows(reply).first else { return 0 }
        guard let total = row["total"].flatMap({ Int($0) }) else {
            throw MemoryError(.internalError, "the Redis server sent an unknown reply to a count")
        }
        return total
    }

    /// The rows of an FT.AGGREGATE result, by field; fields without a value are left out.
    private static func rows(_ reply: RedisValue) throws -> [[String: String]] {
        guard let rows = try reply.get().array else {
            throw MemoryError(.internalError, "the Redis server sent an unknown reply to a search")
        }
        return try rows.dropFirst().map { row in
            let pairs = try row.get().array ?? []
            var fields: [String: String] = [:]
            for i in stride(from: 0, to: pairs.count - 1, by: 2) {
                if let name = pairs[i].string, let value = pairs[i + 1].string { fields[name] = value }
            }
            return fields
        }
    }
}
