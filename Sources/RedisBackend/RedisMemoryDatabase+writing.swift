public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    public func add(_ records: [MemoryRecord]) async throws -> [String] {
        guard !records.isEmpty else { return [] }
        let kept = Self.lastOfEachID(records)
        let vectors = try await embedder.checkedEmbeddings(of: kept.map(\.text))
        let words = kept.map { terms(of: $0.text) }
        try await writing(records: kept.count) { field, probe in
            var commands: [RedisCommand] = []
            commands.reserveCapacity(kept.count * 2)
            for i in kept.indices {
                let key = key(kept[i].id)
                // What the old record had and the new one has not would stay otherwise, vectors of other models among it.
                commands.append(RedisCommand("DEL", key))
                commands.append(
                    RecordHash.write(kept[i], terms: words[i], vector: vectors[i], in: field, key: key))
            }
            let (replies, following) = try await client.transaction(commands, following: [probe])
            for reply in replies { _ = try reply.get() }
            return following[0]
        }
        return records.map(\.id)
    }

    public func delete(_ ids: [String]) async throws -> Int {
        let keys = ids.exactlyDistinct().map(key)
        guard !keys.isEmpty else { return 0 }
        return try await translating(within: configuration.timeout.grown(records: keys.count)) {
            guard let removed = try await client.evaluate(Self.removal, keys: keys).integer else {
                throw MemoryError(.internalError, "the Redis server answered a delete with something unknown")
            }
            return removed
        }
    }

    /// What another program keeps under the prefix is no record, and stays. Works without memory for writes.
    private static let removal = RedisScript(
        """
        local removed = 0
        for _, key in ipairs(KEYS) do
          if redis.call('TYPE', key).ok == 'hash' then removed = removed + redis.call('DEL', key) end
        end
        return removed
        """)

    /// The words of a text as the hash holds them.
    func terms(of text: String) -> String {
        analyzer.words(in: text).joined(separator: " ")
    }

    /// Runs a write and makes sure that the index is there when it returns: a server that came up empty takes writes
    /// without one. The body gets the field for vectors, and answers with the reply of the probe, which it sends after its own
    /// commands.
    ///
    /// - Parameter records: how many are written; the deadline grows with them.
    func writing(
        records: Int, _ body: @Sendable (String, RedisCommand) async throws -> RedisValue
    ) async throws {
        try await translating(within: configuration.timeout.grown(records: records)) {
            let ready = try await keeper.existing(client)
            let probed = try await body(ready.vectorField, commands(ready).probe)
            do {
                _ = try probed.get()
                if keeper.stands(ready) { return }
            } catch let error as RedisError where error.saysIndexIsMissing {
                keeper.lost(ready)
            }
            // The index that is made now finds the hashes by itself; reads wait until it has.
            _ = try await keeper.existing(client)
        }
    }

    /// Of an id given twice the last record counts (rule R2).
    private static func lastOfEachID(_ records: [MemoryRecord]) -> [MemoryRecord] {
        var positions: [ExactString: Int] = [:]
        for (i, record) in records.enumerated() { positions[ExactString(record.id)] = i }
        guard positions.count < records.count else { return records }
        return records.enumerated().compactMap { i, record in positions[ExactString(record.id)] == i ? record : nil }
    }
}
