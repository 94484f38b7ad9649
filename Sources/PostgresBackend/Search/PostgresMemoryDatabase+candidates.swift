public import AgentMemory
import PostgresDriver

/// Rule S11.
extension PostgresMemoryDatabase: CandidateDatabase {
    public func candidates(_ query: CandidateQuery) async throws -> CandidateSet {
        try await call { deadline in
            let (result, _, matches) = try await self.findNearest(
                query.filter, phrases: query.phrases, deadline, candidates: query.poolSize(matches:),
                statement: { plan, matches in
                    guard let candidates = query.poolSize(matches: matches) else {
                        return self.sql.allCandidatesQuery(query)
                    }
                    return self.sql.candidatesQuery(query, plan: plan, candidates: candidates, matches: matches)
                })
            guard query.poolSize(matches: matches) != nil else {
                let all = try Self.candidates(result, query)
                // A record may have come or gone between the two statements.
                return CandidateSet(total: all.count, candidates: all, containing: nil)
            }
            let holding = try result[0].text(result.column("holding")).split(separator: " ").compactMap { Int($0) }
            return CandidateSet(
                total: matches, candidates: try Self.candidates(result, query), containing: holding)
        }
    }

    private static func candidates(
        _ result: PostgresResult, _ query: CandidateQuery
    ) throws -> [RankingCandidate] {
        let counter = TermCounter(query.words)
        let (id, distance) = (try result.column("id"), try result.column("distance"))
        let (words, created) = (try result.column("keyword_text"), try result.column("created_at"))
        let (event, namespace) = (try result.column("event_date"), try result.column("namespace"))
        let (user, session) = (try result.column("user_id"), try result.column("session_id"))
        return try result.rows.compactMap { row in
            guard !row.isNull(id) else { return nil }
            let (frequencies, length) = counter.count(try row.rawBytes(words))
            return RankingCandidate(
                id: try row.text(id), distance: try row.float8(distance), frequencies: frequencies, length: length,
                createdAt: try row.date(created), eventDate: try row.optionalDate(event),
                session: RankingSession(
                    namespace: try row.optionalText(namespace), userID: try row.optionalText(user),
                    sessionID: try row.optionalText(session)))
        }
    }

    public func tokenBits(of ids: [String], modelTag: UInt32) async throws -> [ExactString: TokenBits] {
        try await call { deadline in
            let result = try await self.read(SearchSQL.tokenBits(of: ids), deadline: deadline)
            var bits: [ExactString: TokenBits] = [:]
            for row in result.rows {
                bits[ExactString(try row.text(0))] = TokenBits(storedBytes: try row.rawBytes(1), modelTag: modelTag)
            }
            return bits
        }
    }

    public func records(withIDs ids: [String]) async throws -> [ExactString: MemoryRecord] {
        guard !ids.isEmpty else { return [:] }
        return try await call { deadline in
            try await self.read(
                PostgresStatement(
                    "SELECT \(RecordSQL.selection) FROM memories m WHERE m.id = ANY ($1)", [.textArray(ids)]),
                deadline: deadline
            ).recordsByID()
        }
    }
}
