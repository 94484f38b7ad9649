import AgentMemory
import RedisDriver

/// One row of an FT.AGGREGATE result.
struct SearchRow: Sendable, Equatable, Identifiable {
    let id: String
    let distance: Double?
    let score: Double?
    let terms: String?

    /// The rows of a result; the number at its start is a total only where
    /// ``SearchCommands/countsSorted`` says so.
    static func rows(_ reply: RedisValue) throws -> [SearchRow] {
        guard let rows = try reply.get().array else {
            throw MemoryError(.internalError, "the Redis server sent an unknown reply to a search")
        }
        return try rows.dropFirst().compactMap { SearchRow(try $0.get()) }
    }

    /// Whether more of these rows, nearest first, have the same distance than
    /// ``SearchDepth/trustedEquals``.
    static func showManyEquals(_ rows: [SearchRow]) -> Bool {
        var run = 0
        var last: Double?
        for row in rows {
            run = row.distance == last ? run + 1 : 1
            last = row.distance
            if run > SearchDepth.trustedEquals { return true }
        }
        return false
    }

    init(id: String, distance: Double) {
        self.id = id
        self.distance = distance
        score = nil
        terms = nil
    }

    init?(_ row: RedisValue) {
        guard let pairs = row.array else { return nil }
        var id: String?
        var distance: Double?
        var score: Double?
        var terms: String?
        for i in stride(from: 0, to: pairs.count - 1, by: 2) {
            switch pairs[i].string {
            case "id_": id = pairs[i + 1].string
            case SearchCommands.distance: distance = pairs[i + 1].double
            case "__score": score = pairs[i + 1].double
            case RecordHash.keywordTerms: terms = pairs[i + 1].string
            default: break
            }
        }
        guard let id else { return nil }
        self.id = id
        self.distance = distance
        self.score = score
        self.terms = terms
    }
}
