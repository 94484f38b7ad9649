public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase: ExpiringDatabase {
    private static let batchSize = 500

    public func hasExpired(at date: Timestamp) async throws -> Bool {
        let found = try await expired(at: date, limit: 0)
        return (found.array?.first?.integer ?? 0) > 0
    }

    public func removeExpired(at date: Timestamp) async throws {
        var previous: [String] = []
        while true {
            let keys = try await expired(at: date, limit: Self.batchSize).array?.dropFirst().compactMap(\.string) ?? []
            // What could not be removed would be found for ever.
            guard !keys.isEmpty, keys != previous else { return }
            previous = keys
            try await mappingErrors(within: database.timeout.grown(records: keys.count)) {
                _ = try await client.evaluate(Self.removal, keys: keys) { command in
                    command.append(RedisDate.text(date))
                    WriteOrigin.$current.withValue(.expiry) { appendOrigin(to: &command) }
                }
            }
        }
    }

    /// Does not wait for an index that is being built: writes and reads by id do not either. What
    /// such an index does not find yet, no search finds.
    private func expired(at date: Timestamp, limit: Int) async throws -> RedisValue {
        try await mappingErrors {
            let ready = try await keeper.existing(client)
            do {
                let found = try await client.send(commands(ready).expired(at: date, limit: limit), isRead: true)
                if keeper.stands(ready) { return found }
            } catch let error as RedisError where error.saysIndexIsMissing {
                keeper.lost(ready)
            }
            let again = try await keeper.existing(client)
            return try await client.send(commands(again).expired(at: date, limit: limit), isRead: true)
        }
    }

    /// KEYS: hashes. ARGV: a date in seconds; the stream of events and who writes
    /// (``EventScript``). Removes those that still expire then or earlier: another writer may have
    /// given them more time.
    private static let removal = RedisScript(
        """
        #!lua flags=allow-oom
        \(EventScript.functions)
        eventsOf(ARGV[2], ARGV[3])
        for _, key in ipairs(KEYS) do
          local date = tonumber(redis.call('HGET', key, '\(RecordHash.name(.expiresAt))') or '')
          if date and date <= tonumber(ARGV[1]) then
            local before = stored(key)
            redis.call('DEL', key)
            noteRemoval(key, before)
          end
        end
        return 1
        """)
}
