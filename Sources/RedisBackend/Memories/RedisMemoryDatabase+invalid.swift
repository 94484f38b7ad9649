public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase: InvalidRecordDatabase {
    /// Hashes under the prefix without an id, with a blank one, without a text, or with an id that
    /// is not that of their key.
    public func invalidRecords() async throws -> [String] {
        var invalid: Set<String> = []
        var cursor = "0"
        repeat {
            try Task.checkCancellation()
            let (next, found) = try await mappingErrors {
                let (next, keys) = try await scannedKeys(from: cursor)
                let replies = try await client.pipeline(
                    keys.map { RedisCommand("HMGET", $0, RecordHash.name(.id), RecordHash.name(.text)) }, isRead: true)
                return (next, try zip(keys, replies).filter { try isInvalid($0, try $1.hashFields()) }.map(\.0))
            }
            invalid.formUnion(found)
            cursor = next
        } while cursor != "0"
        return invalid.sorted()
    }

    public func removeInvalidRecords(_ names: [String]) async throws -> Int {
        var removed = 0
        for name in names where name.hasPrefix(prefixOfKeys) {
            removed += try await mappingErrors {
                try await client.evaluate(InvalidRecordScript.remove, keys: [name]) { command in
                    command.append(prefixOfKeys)
                }.integer ?? 0
            }
        }
        return removed
    }

    /// - Parameter fields: none if the key has something other than a hash.
    private func isInvalid(_ key: String, _ fields: [RedisValue]) -> Bool {
        guard fields.count == 2 else { return false }
        guard let id = fields[0].string, fields[1].string != nil else { return true }
        return id.allSatisfy(\.isWhitespace) || ExactString(key) != ExactString(prefixOfKeys + id)
    }

    private var prefixOfKeys: String { "\(configuration.keyPrefix):" }
}

/// KEYS: the key of a hash. ARGV: what the keys of records begin with.
private enum InvalidRecordScript {
    /// Removes it if it is not a record; how many were removed.
    static let remove = RedisScript(
        """
        #!lua flags=allow-oom
        if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return 0 end
        local values = redis.call('HMGET', KEYS[1], 'id_', 'text')
        local id = values[1]
        if id and values[2] and id:find('%S') and KEYS[1] == ARGV[1] .. id then return 0 end
        return redis.call('DEL', KEYS[1])
        """)
}
