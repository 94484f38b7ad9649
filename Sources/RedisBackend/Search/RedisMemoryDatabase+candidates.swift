public import AgentMemory
import RedisDriver

/// Rule S11.
extension RedisMemoryDatabase: CandidateDatabase {
    public func candidates(_ query: CandidateQuery) async throws -> CandidateSet {
        try await reading { commands, ready in
            try ready.settings.check(query.filter)
            let words = KeywordQuery(words: query.words, phrases: query.phrases)
            let scope = try await scope(commands, query.filter, words)
            let found = try await lists(
                commands, scope, words.keeping(query.keywords), RecordHash.bytes(of: query.vector),
                query.poolSize(matches: .max), KeywordScoring(.bm25std), ranksAll: false)
            let pool = query.poolSize(matches: found.total)
            let chosen = found.union(pool)
            var batch = chosen.map { id in
                // There may be a thousand: the command is one block of each kind.
                let key = key(id)
                var command = RedisCommand()
                command.reserve(
                    arguments: Self.candidateFields.count + 2, bytes: Self.candidateFieldBytes + key.utf8.count + 5)
                command.append("HMGET")
                command.append(key)
                command.append(Self.candidateFields)
                return command
            }
            // In the exact zone the candidates are all that match, and tell it themselves.
            let counted = pool == nil ? [] : query.words
            for word in counted {
                var text = scope.query
                text.addWord(word)
                batch.append(commands.count(text, amongKeys: scope.keys))
            }
            let replies = try await client.pipeline(batch, isRead: true)
            let hashes = try replies.prefix(chosen.count).map { try $0.hashFields() }
            let terms = try await missingTerms(chosen, hashes)
            let counter = TermCounter(query.words)
            let candidates = zip(chosen, hashes).compactMap { id, values in
                candidate(
                    id, found.distances[ExactString(id)], values, terms: terms.isEmpty ? nil : terms[ExactString(id)],
                    counter)
            }
            let containing = try replies.dropFirst(chosen.count).map(Self.total)
            return CandidateSet(
                total: pool == nil ? candidates.count : found.total, candidates: candidates,
                containing: pool == nil ? nil : containing)
        }
    }

    private static let candidateFields =
        [RecordHash.keywordTerms]
        + [RecordField.createdAt, .eventDate, .namespace, .userID, .sessionID].map(RecordHash.name)

    private static let candidateFieldBytes = candidateFields.reduce(0) { $0 + $1.utf8.count }

    /// The words of records of the reference that the sweep has not reached yet.
    private func missingTerms(_ ids: [String], _ hashes: [[RedisValue]]) async throws -> [ExactString: String] {
        let missing = zip(ids, hashes).filter { $1.count == Self.candidateFields.count && $1[0].isNull }.map(\.0)
        guard !missing.isEmpty else { return [:] }
        let texts = try await client.pipeline(missing.map { RedisCommand("HGET", key($0), "text") }, isRead: true)
        var terms: [ExactString: String] = [:]
        for (id, reply) in zip(missing, texts) { terms[ExactString(id)] = try reply.get().string.map(self.terms) }
        return terms
    }

    /// The candidate with these values of ``candidateFields``; `nil` if the record was deleted.
    private func candidate(
        _ id: String, _ distance: Double?, _ values: [RedisValue], terms: String?, _ counter: TermCounter
    ) -> RankingCandidate? {
        guard values.count == Self.candidateFields.count else { return nil }
        func text(_ index: Int) -> String? {
            guard let text = values[index].string, !text.isEmpty else { return nil }
            return text
        }
        let counted: (frequencies: [Int], length: Int)
        if case .bytes(let bytes) = values[0] {
            counted = counter.count(bytes)
        } else if let terms {
            counted = counter.count(terms.utf8)
        } else {
            return nil
        }
        // Hashes of another server may lack a date: such a record counts as old.
        return RankingCandidate(
            id: id, distance: distance ?? metric.farthest, frequencies: counted.frequencies, length: counted.length,
            createdAt: text(1).flatMap(RedisDate.timestamp) ?? .earliest,
            eventDate: text(2).flatMap(RedisDate.timestamp),
            session: RankingSession(namespace: text(3), userID: text(4), sessionID: text(5)))
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
