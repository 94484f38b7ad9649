public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    /// An index of tags cannot be asked for records without a user or namespace. Where those of
    /// other owners stand between a record without them and its neighbours, these are looked for
    /// among the ``strangersInSight`` closest on each side.
    public func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        try await reading { commands, ready in
            let looks = try await look(around: records, window: reach, reach: reach, commands)
            let unsure = looks.indices.filter { looks[$0].sawStrangers }
            guard !unsure.isEmpty else { return looks.map(\.found) }
            let wider = try await look(
                around: unsure.map { records[$0] }, window: Self.strangersInSight, reach: reach, commands)
            var found = looks.map(\.found)
            for (index, look) in zip(unsure, wider) { found[index] = look.found }
            return found
        }
    }

    private static let strangersInSight = 64
    /// Records of one session that were created in the same microsecond, by id.
    private static let equalsInSight = 1000

    /// What was seen around one record.
    private struct Look {
        let found: SessionNeighbors
        /// Whether records of other owners were among those that were read.
        let sawStrangers: Bool
    }

    /// Reads for each record the closest ids on both sides and those of its very time, and then the
    /// records at these ids.
    ///
    /// - Parameter window: how many ids on each side.
    private func look(
        around records: [MemoryRecord], window: Int, reach: Int, _ commands: SearchCommands
    ) async throws -> [Look] {
        var batch: [RedisCommand] = []
        var asked: [Int] = []
        for (index, record) in records.enumerated() {
            guard let sessionID = record.sessionID else { continue }
            var tags: [TagField: TagCondition] = [.sessionID: try TagCondition(field: .sessionID, eq: sessionID)]
            if let user = record.userID { tags[.userID] = try TagCondition(field: .userID, eq: user) }
            if let namespace = record.namespace {
                tags[.namespace] = try TagCondition(field: .namespace, eq: namespace)
            }
            func query(_ comparison: DateCondition.Comparison) throws -> QueryText {
                let date = try DateCondition(field: .createdAt, [.init(comparison, record.createdAt)])
                return QueryText(MemoryFilter(tags: tags, dates: [.createdAt: date]))
            }
            batch += [
                try commands.closest(try query(.lt), isBefore: true, limit: window),
                try commands.closest(try query(.gt), isBefore: false, limit: window),
                try commands.identified(try query(.eq), .init(limit: Self.equalsInSight)),
            ]
            asked.append(index)
        }
        let replies = try await client.pipeline(batch, isRead: true)
        var seen = [[String]](repeating: [], count: records.count)
        for (number, index) in asked.enumerated() {
            let sides = try replies[3 * number..<3 * number + 2].flatMap { try SearchRow.rows($0).map(\.id) }
            let equals = try SearchRow.rows(replies[3 * number + 2]).map(\.id)
            seen[index] = sides + equals.around(records[index].id, reach: window)
        }
        let loaded = try await self.records(seen.joined().map(\.self).exactlyDistinct())
        let known = Dictionary(loaded.values.map { (ExactString($0.id), $0) }, uniquingKeysWith: { first, _ in first })
        return zip(records, seen).map { record, ids in
            let around = ids.compactMap { known[ExactString($0)] }
            return Look(
                found: SessionNeighbors(of: record, among: around, reach: reach),
                sawStrangers: !around.allSatisfy { $0.sharesSession(with: record) })
        }
    }
}

extension [String] {
    /// Those next to `id` in a list that is in the order of ids.
    fileprivate func around(_ id: String, reach: Int) -> [String] {
        let position = firstIndex { ExactString($0) >= ExactString(id) } ?? count
        return Array(self[Swift.max(0, position - reach)..<Swift.min(count, position + reach + 1)])
    }
}

extension SearchCommands {
    /// Ids of records that all lie before or after a date, the closest to it first.
    func closest(_ query: QueryText, isBefore: Bool, limit: Int) throws(MemoryError) -> RedisCommand {
        let order = isBefore ? "DESC" : "ASC"
        return try sorted(query, ["@created_at", order, "@id_", order], Window(limit: limit))
    }
}
