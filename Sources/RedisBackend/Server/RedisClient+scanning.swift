import AgentMemory
import RedisDriver

extension RedisClient {
    /// One step of a walk through the keys that begin with `prefix`, among which other programs'
    /// keys may be, and each key may come more than once. It ends where `next` is 0.
    ///
    /// - Throws: ``RedisError``; ``MemoryError`` with code `internalError` for an unknown reply.
    func scan(from cursor: String, prefix: String) async throws -> (next: String, keys: [String]) {
        let special: Set<Character> = ["*", "?", "[", "]", "\\"]
        let prefix = prefix.map { special.contains($0) ? "\\\($0)" : "\($0)" }.joined()
        let command = RedisCommand("SCAN", cursor, "MATCH", "\(prefix)*", "COUNT", "500")
        let answer = try await send(command, isRead: true).array ?? []
        guard answer.count == 2, let next = answer[0].string, let keys = answer[1].array else {
            throw MemoryError(.internalError, "SCAN returned something unknown")
        }
        return (next, keys.compactMap(\.string))
    }
}
