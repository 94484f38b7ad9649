import AgentMemory

extension QueryText {
    /// Every phrase must stand in the record. Phrases that repeat a word are narrowed down only,
    /// because the engine holds the same word at two places of a phrase for one: whoever asks must
    /// look at the texts (``needsReading(_:)``).
    mutating func addPhrases(of query: KeywordQuery) {
        for phrase in query.phrases {
            for run in Self.runsOfDistinctWords(phrase) { add(phraseClause(run)) }
        }
    }

    /// The word must stand in the record.
    mutating func addWord(_ word: String) { add("@\(RecordHash.keywordTerms):(\(plain(word)))") }

    /// At least one of the words, which alone make the score, among the records of `scope`.
    ///
    /// Beside other clauses, or among keys, RediSearch 2.10 counts only the first words that it
    /// meets of a union: there the union decides what matches, without weight, and every word
    /// counts as an optional clause of its own.
    init(words query: KeywordQuery, in scope: QueryText, amongKeys: Bool) {
        self = scope
        let words = query.words.map { "@\(RecordHash.keywordTerms):(\(plain($0)))" }
        let anyWord = "(\(words.joined(separator: "|")))"
        if words.count == 1 || (scope.isEmpty && !amongKeys) {
            replaceClauses(with: [anyWord] + scope.weightless)
        } else {
            replaceClauses(with: ["\(anyWord)=>{$weight:0}"] + words.map { "(~\($0))" } + scope.weightless)
        }
    }

    /// The phrases for which the engine's answer holds too much.
    static func needsReading(_ query: KeywordQuery) -> [[String]] {
        query.phrases.filter { runsOfDistinctWords($0).count > 1 }
    }

    private mutating func phraseClause(_ words: [String]) -> String {
        guard words.count > 1 else { return "@\(RecordHash.keywordTerms):(\(plain(words[0])))" }
        // Parameters would be nested two by two, and then order and distance hold only for two
        // words at a time. The analyser's words are letters, digits and marks, so that they can
        // stand in the text themselves.
        let names = words.joined(separator: " ")
        return "(@\(RecordHash.keywordTerms):(\(names))=>{$slop:0;$inorder:true})"
    }

    /// The phrase cut into pieces, as long as they can be, that repeat no word: `a b a c` is `a b`,
    /// `b a c`. A record that has the phrase has every piece.
    static func runsOfDistinctWords(_ phrase: [String]) -> [[String]] {
        var runs: [[String]] = []
        var start = 0
        var seen: [String: Int] = [:]
        for (i, word) in phrase.enumerated() {
            if let previous = seen[word], previous >= start {
                runs.append(Array(phrase[start..<i]))
                start = previous + 1
            }
            seen[word] = i
        }
        runs.append(Array(phrase[start...]))
        return runs
    }
}
