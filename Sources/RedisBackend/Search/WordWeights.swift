import AgentMemory
import RedisDriver
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// When the candidates by keyword are looked for in a part of the matches first.
/// Tests make the numbers small, so that few records do.
struct KeywordLooks: Sendable {
    /// Of fewer records than this all are ranked about as soon: the engine looks at a record of a
    /// part for as long as at ten of a plain union of words.
    var fewest = 100_000
    /// How many records the first look takes (``KeywordCutoff``).
    var first = KeywordCutoff.standardLook
}

/// What the engine says a word weighs. A count of the records with it would walk through all of
/// them; the explanation of one record's score has the weight that the engine itself uses.
struct WordWeight: Equatable {
    /// The inverse document frequency, rounded up.
    let idf: Double

    /// The precision of an explanation.
    private static let precision = 0.01

    /// - Parameter explanation: the reply to ``SearchCommands/explanation(of:at:)``; `nil` if it is
    ///   not one, or in words of another version of the engine.
    init?(_ explanation: RedisValue) {
        var found: Double?
        func look(at value: RedisValue) {
            if let parts = value.array {
                for part in parts { look(at: part) }
            } else if let text = value.string, let start = text.firstRange(of: "= IDF ")?.upperBound {
                found = Double(text[start...].prefix { !$0.isWhitespace })
            }
        }
        look(at: explanation)
        guard let found, found.isFinite, found >= 0 else { return nil }
        idf = found + Self.precision
    }

    /// However often a record holds the word, and however short it is.
    var word: KeywordCutoff.Word {
        KeywordCutoff.Word(
            idf: idf, most: TextAnalyzer.maximumWordsPerText, average: .infinity, share: exp(-idf))
    }
}

extension RedisMemoryDatabase {
    /// More words than this are ranked as one, because each is a clause that the engine asks of
    /// every record.
    private static let mostWords = 24

    /// Which records can be among the best by keyword; `nil` where all are to be ranked: if few
    /// match, if the scorer is another one, or if the engine tells no weights.
    func cutoff(
        _ commands: SearchCommands, _ scope: Scope, _ words: KeywordQuery, _ scoring: KeywordScoring
    ) async throws -> KeywordCutoff? {
        let looks = keywordLooks.withLock { $0 }
        guard scope.keys == nil, scoring.isSum, !words.isEmpty, words.words.count <= Self.mostWords,
            let matches = matchCounts.count(scope.query), matches >= looks.fewest
        else { return nil }
        let holders = try await client.pipeline(words.words.map { commands.holder(of: $0) }, isRead: true)
        var held: [(position: Int, command: RedisCommand)] = []
        for (position, reply) in holders.enumerated() {
            guard let rows = reply.array else { return nil }
            guard let row = rows.dropFirst().first?.array else { continue }
            guard row.count == 2, let key = row[1].string else { return nil }
            held.append((position, commands.explanation(of: words.words[position], at: key)))
        }
        let explanations = try await client.pipeline(held.map(\.command), isRead: true)
        // A word that no record holds adds nothing.
        var weights = words.words.map { _ in
            KeywordCutoff.Word(idf: 0, most: 1, average: 1, share: 0)
        }
        for ((position, _), explanation) in zip(held, explanations) {
            guard let weight = WordWeight(explanation) else { return nil }
            weights[position] = weight.word
        }
        return KeywordCutoff(weights, records: matches, firstLook: looks.first)
    }

    /// The best matches by keyword, best first.
    ///
    /// - Parameter text: finds all matches.
    func bestRows(
        _ commands: SearchCommands, _ scope: Scope, _ words: KeywordQuery, _ text: QueryText,
        _ scoring: KeywordScoring, _ cutoff: KeywordCutoff, limit: Int
    ) async throws -> [SearchRow] {
        var rows: [SearchRow] = []
        try await cutoff.ranking(limit: limit) { level in
            let query = level.map { QueryText(words: words, in: scope.query, holding: $0.sets) } ?? text
            rows = try SearchRow.rows(
                try await client.send(
                    try commands.bestMatches(query, scorer: scoring.engineName, .init(limit: limit)), isRead: true))
            return (rows.count, rows.last?.score ?? 0)
        }
        return rows
    }
}

extension SearchCommands {
    /// The key of some record with the word; the engine stops at the first one.
    func holder(of word: String) -> RedisCommand {
        var query = QueryText()
        query.addWord(word)
        var command = RedisCommand(
            "FT.AGGREGATE", index, query.text, "VERBATIM", "LOAD", "1", "@__key", "LIMIT", "0", "1")
        finish(&command, query)
        return command
    }

    /// Why the record at a key has its score for the word.
    func explanation(of word: String, at key: String) -> RedisCommand {
        var query = QueryText()
        query.addWord(word)
        var command = RedisCommand(
            "FT.SEARCH", index, query.text, "INKEYS", "1", key, "NOCONTENT", "VERBATIM", "SCORER",
            KeywordScoring(.bm25std).engineName, "WITHSCORES", "EXPLAINSCORE", "LIMIT", "0", "1")
        finish(&command, query)
        return command
    }
}
