public import AgentMemory
import RedisDriver

/// Rule S11.
extension RedisMemoryDatabase: CandidateDatabase {
    public func candidates(_ query: CandidateQuery) async throws -> CandidateSet {
        try await reading { commands, ready in
            try ready.settings.check(query.filter)
            let words = KeywordQuery(words: query.words, phrases: query.phrases)
            let scope = try await scope(commands, query.filter, words)
            let vector = RecordHash.bytes(of: query.vector)
            var found = try await lists(
                commands, scope, words.keeping(query.keywords), vector,
                query.poolSize(matches: .max), KeywordScoring(.bm25std), ranksAll: false)
            let pool = query.poolSize(matches: found.total)
            let chosen = found.union(pool)
            let fields = CandidateFields(query)
            var batch = chosen.map { fields.command(reading: key($0)) }
            // In the exact zone the candidates are all that match, and tell it themselves.
            let counted = pool == nil ? [] : query.words
            for word in counted {
                var text = scope.query
                text.addWord(word)
                batch.append(commands.count(text, amongKeys: scope.keys))
            }
            let far = pool == nil ? [] : chosen.filter { found.distances[ExactString($0)] == nil }
            if !far.isEmpty { batch.append(try distances(commands, of: far, scope.query, to: vector)) }
            let replies = try await client.pipeline(batch, isRead: true)
            if !far.isEmpty, let measured = replies.last {
                for row in try SearchRow.rows(measured) { found.distances[ExactString(row.id)] = row.distance }
            }
            let hashes = try replies.prefix(chosen.count).map { try $0.hashFields() }
            let terms = try await missingTerms(chosen, hashes)
            let counter = TermCounter(query.words)
            let candidates = zip(chosen, hashes).compactMap { id, values in
                fields.candidate(
                    id, found.distances[ExactString(id)] ?? metric.farthest, values, counter,
                    terms: terms.isEmpty ? nil : terms[ExactString(id)])
            }
            let containing = try replies.dropFirst(chosen.count).prefix(counted.count).map(Self.total)
            return CandidateSet(
                total: pool == nil ? candidates.count : found.total, candidates: candidates,
                containing: pool == nil ? nil : containing)
        }
    }

    /// The words of records of the reference that the sweep has not reached yet.
    private func missingTerms(_ ids: [String], _ hashes: [[RedisValue]]) async throws -> [ExactString: String] {
        let missing = zip(ids, hashes).filter { $1.first == .null }.map(\.0)
        guard !missing.isEmpty else { return [:] }
        let texts = try await client.pipeline(missing.map { RedisCommand("HGET", key($0), "text") }, isRead: true)
        var terms: [ExactString: String] = [:]
        for (id, reply) in zip(missing, texts) { terms[ExactString(id)] = try reply.get().string.map(self.terms) }
        return terms
    }

    public func tokenBits(of ids: [String], modelTag: UInt32) async throws -> [ExactString: TokenBits] {
        try await mappingErrors {
            let replies = try await client.pipeline(
                ids.map { RedisCommand("HGET", key($0), RecordHash.tokenBits) }, isRead: true)
            var bits: [ExactString: TokenBits] = [:]
            for (id, reply) in zip(ids, replies) {
                guard case .bytes(let bytes) = try reply.get() else { continue }
                bits[ExactString(id)] = TokenBits(storedBytes: bytes, modelTag: modelTag)
            }
            return bits
        }
    }

    public func records(withIDs ids: [String]) async throws -> [ExactString: MemoryRecord] {
        try await mappingErrors {
            var found: [ExactString: MemoryRecord] = [:]
            for (position, record) in try await records(ids) { found[ExactString(ids[position])] = record }
            return found
        }
    }
}
