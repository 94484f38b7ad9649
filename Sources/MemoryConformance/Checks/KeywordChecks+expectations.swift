import AgentMemory

/// The texts of the keyword checks, and what the contract says of them.
extension ConformanceCheck.KeywordChecks {
    /// The contract's rank values of the records that match, by id.
    static func ranks(
        of query: KeywordQuery, in records: [MemoryRecord], _ analyzer: TextAnalyzer
    ) -> [String: Double] {
        let texts = records.map { (id: $0.id, words: analyzer.words(in: $0.text)) }
        let averageLength = Double(texts.reduce(0) { $0 + $1.words.count }) / Double(texts.count)
        var ranks: [String: Double] = [:]
        for word in query.words {
            let idf = BM25.inverseDocumentFrequency(
                documents: texts.count, containing: texts.count { $0.words.contains(word) })
            for text in texts {
                let frequency = text.words.count { $0 == word }
                guard frequency > 0 else { continue }
                ranks[text.id, default: 0] += BM25.termScore(
                    idf: idf, frequency: frequency, documentLength: text.words.count,
                    averageDocumentLength: averageLength)
            }
        }
        return ranks.filter { id, _ in
            guard let words = texts.first(where: { $0.id == id })?.words else { return false }
            return query.phrases.allSatisfy { phrase in
                phrase.count <= words.count
                    && (0...(words.count - phrase.count)).contains {
                        words[$0..<$0 + phrase.count].elementsEqual(phrase)
                    }
            }
        }
    }

    static func addTexts(_ scope: CheckScope) async throws {
        _ = try await scope.database.add([
            try MemoryRecord(id: "fox", text: "[1] a quick fox in the wood"),
            try MemoryRecord(id: "foxdog", text: "[0.9, 0.1] the fox jumps over the lazy dog", userID: "u"),
            try MemoryRecord(id: "foxes", text: "[0.7, 0.4] foxes are red"),
            try MemoryRecord(id: "dog", text: "[0.5, 0.6] my dog sleeps all day long on the couch", userID: "u"),
            try MemoryRecord(id: "cat", text: "[0.3, 0.9] the cat purrs", userID: "u"),
            try MemoryRecord(id: "bird", text: "[0, 1] birds sing"),
        ])
    }

    static func expectWords(_ scope: CheckScope, _ query: String, _ expected: [String]) async throws {
        let found = try await scope.search(query, .keyword(.bm25std))
        let shown = query.count > 40 ? query.prefix(40) + "…" : query
        try scope.expect("keyword \(shown.debugDescription)", found.items.map(\.record.id).sorted(), expected.sorted())
        try scope.expect("total of \(shown.debugDescription)", found.total, expected.count)
    }
}
