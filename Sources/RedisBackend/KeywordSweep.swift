import AgentMemory
import Logging
import RedisDriver

/// Gives the records that the reference server wrote what only this backend writes: their keyword terms, and the exact
/// form of ids with blanks at an end.
///
/// Several servers may sweep at once, and records may change meanwhile: the script writes only beside the very text that
/// the words were taken from.
extension RedisMemoryDatabase {
    /// Looks for records without words until there are none left.
    ///
    /// - Returns: how many records were completed.
    func sweep() async throws -> Int {
        var completed = 0
        var previous: [String] = []
        while true {
            let (keys, done) = try await sweepOnce()
            completed += done
            // Another server may have done them first; but hashes that come a second time cannot be completed.
            guard keys.count == Self.sweepSize, keys != previous else { break }
            previous = keys
        }
        if completed > 0 { logger.info("completed records of another server", metadata: ["count": "\(completed)"]) }
        return completed
    }

    private static let sweepSize = 200

    private func sweepOnce() async throws -> (keys: [String], completed: Int) {
        try await translating {
            let commands = commands(try await keeper.ready(client))
            let reply = try await client.send(commands.withoutTerms(limit: Self.sweepSize), isRead: true)
            let keys = reply.array?.dropFirst().compactMap(\.string) ?? []
            guard !keys.isEmpty else { return ([], 0) }
            let texts = try await client.pipeline(
                keys.map { RedisCommand("HMGET", $0, "text", "id_") }, isRead: true)
            var batch: [RedisCommand] = []
            for (key, reply) in zip(keys, texts) {
                guard let values = try reply.get().array, values.count == 2 else { continue }
                batch.append(completion(of: key, text: values[0], id: values[1].string))
            }
            var completed = 0
            for reply in try await client.pipeline(batch) where try reply.get().integer == 1 { completed += 1 }
            return (keys, completed)
        }
    }

    private func completion(of key: String, text: RedisValue, id: String?) -> RedisCommand {
        var command = RedisCommand("EVAL", Self.completionScript, "1", key)
        if case .bytes(let bytes) = text {
            command.append("1")
            command.append(bytes: bytes)
        } else {
            // A hash without a text has no words, and is not to be found again either.
            command.append("0")
            command.append("")
        }
        command.append(RecordHash.keywordTerms)
        command.append(terms(of: text.string ?? ""))
        if let exact = id.flatMap(RecordHash.exactID) {
            command.append(RecordHash.exactID)
            command.append(exact)
        }
        return command
    }

    /// ARGV: whether there was a text, the text, then fields with values.
    private static let completionScript = """
        if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
        local text = redis.call('HGET', KEYS[1], 'text')
        if ARGV[1] == '1' then
          if text ~= ARGV[2] then return 0 end
        elseif text then
          return 0
        end
        if redis.call('HEXISTS', KEYS[1], ARGV[3]) == 1 then return 0 end
        local fields = {}
        for i = 3, #ARGV do fields[#fields + 1] = ARGV[i] end
        redis.call('HSET', KEYS[1], unpack(fields))
        return 1
        """
}
