import AgentMemory

extension QueryText {
    /// Every phrase must occur in the record. For phrases that repeat a word the result is too
    /// large, because the engine takes one occurrence of a word for two places of a phrase: the
    /// caller must read the texts (``needsReading(_:)``).
    mutating func addPhrases(of query: KeywordQuery) {
        for phrase in query.phrases {
            for run in Self.runsOfDistinctWords(phrase) { add(phraseClause(run)) }
        }
    }

    /// The word must stand in the record.
    mutating func addWord(_ word: String) { add("@\(RecordHash.keywordTerms):(\(plain(word)))") }

    /// At least one of the words, which alone make the score, among the records of `scope`.
    ///
    /// Next to other clauses, or among keys, RediSearch 2.10 counts only the first words of a union
    /// that it meets: there the union, without weight, decides what matches, and every word counts
    /// as an optional clause.
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

    /// The records of `scope` that hold all words of one of the sets; every word makes the score.
    ///
    /// - Parameter sets: positions of words, at least one in each.
    init(words query: KeywordQuery, in scope: QueryText, holding sets: [[Int]]) {
        self = scope
        let words = query.words.map { "@\(RecordHash.keywordTerms):(\(plain($0)))" }
        var alternatives = sets.map { set in "(\(set.map { words[$0] }.joined(separator: " ")))" }
        // Only a union respects the weight in every place (see `weightless`).
        if alternatives.count == 1 { alternatives += alternatives }
        replaceClauses(
            with: ["(\(alternatives.joined(separator: "|")))=>{$weight:0}"] + words.map { "(~\($0))" }
                + scope.weightless)
    }

    /// The phrases for which the engine's result is too large.
    static func needsReading(_ query: KeywordQuery) -> [[String]] {
        query.phrases.filter { runsOfDistinctWords($0).count > 1 }
    }

    private mutating func phraseClause(_ words: [String]) -> String {
        guard words.count > 1 else { return "@\(RecordHash.keywordTerms):(\(plain(words[0])))" }
        // Parameters would be nested in pairs, and then order and distance apply only to two words
        // at a time. The analyser's words are letters, digits and marks, so that they can be in the
        // text itself.
        let names = words.joined(separator: " ")
        return "(@\(RecordHash.keywordTerms):(\(names))=>{$slop:0;$inorder:true})"
    }

    /// The phrase split into the longest pieces that repeat no word: `a b a c` is `a b`, `b a c`. A
    /// record with the phrase has every piece.
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
