import AgentMemory
import RedisDriver

/// Records that a server with another embedding model has written rank as the farthest of all until
/// the maintenance gives them a vector of this one, so that no result is short.
extension RedisMemoryDatabase {
    /// The page of the nearest records, followed by those without a vector.
    ///
    /// - Parameters:
    ///   - rows: the page from the engine, which has only records with a vector.
    ///   - total: of all matching records.
    func appendingVectorless(
        to rows: [SearchRow], _ commands: SearchCommands, _ query: QueryText, total: Int, _ page: PageRequest
    ) async throws -> [SearchRow] {
        let wanted = min(page.limit, total - page.offset)
        guard commands.findsMissingVectors, rows.count < wanted else { return rows }
        let query = query.withoutVector
        let without = try Self.total(try await client.send(commands.count(query), isRead: true))
        guard without > 0 else { return rows }
        let window = SearchCommands.Window(
            offset: max(0, page.offset - (total - without)), limit: wanted - rows.count)
        let missing = try SearchRow.rows(try await client.send(try commands.identified(query, window), isRead: true))
        return rows + missing.map { SearchRow(id: $0.id, distance: configuration.distanceMetric.farthest) }
    }
}

extension QueryText {
    /// Only the records among them that have no vector.
    var withoutVector: QueryText {
        var query = self
        query.add("ismissing(@\(RecordHash.vector))")
        return query
    }
}
