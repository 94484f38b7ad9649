import AgentMemory

extension ConformanceCheck {
    /// Rules S5, S6 and S9.
    enum KeywordChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "keyword/S5-any-word", hint: "all words are required, or the filter's clauses add to the rank",
                run: anyWord),
            ConformanceCheck(
                "keyword/S5-words", hint: "texts and queries must go through the project's analyser, and nothing else",
                run: words),
            ConformanceCheck(
                "keyword/S5-phrases", hint: "a quoted phrase matches its words in any order or with gaps", run: phrases),
            ConformanceCheck(
                "keyword/S5-long-phrases", hint: "order and distance hold only for two words of a phrase at a time",
                run: longPhrases),
            ConformanceCheck(
                "keyword/S5-rank-and-score",
                hint: "the rank is not BM25 over the whole store, or the score is not relative to the best",
                run: rankAndScore),
            ConformanceCheck(
                "keyword/S5-rank-with-filters", needs: [.indexOfItsOwn],
                hint: "filters or phrases add to the rank, or let some words of the query drop out of it",
                run: rankWithFilters),
            ConformanceCheck("keyword/S5-ties-by-id", hint: "records of equal rank come in any order", run: tiesById),
            ConformanceCheck(
                "keyword/S5-first-10000-words",
                hint: "more, or fewer, than the first 10,000 words of a text are indexed", run: first10000Words),
            ConformanceCheck(
                "keyword/S9-scripts-without-blanks",
                hint: "texts and queries must go through the project's analyser, which makes pairs of such letters",
                run: scriptsWithoutBlanks),
            ConformanceCheck(
                "keyword/S9-phrases", hint: "a quoted run matches records that hold only some of its pairs",
                run: phrasesWithoutBlanks),
            ConformanceCheck(
                "hybrid/S6-union", needs: [.steeredEmbeddings],
                hint: "only the nearest vectors are candidates, so that a strong lexical hit is never found", run: union
            ),
            ConformanceCheck(
                "hybrid/S6-formula", needs: [.steeredEmbeddings],
                hint: "similarity is 1 - dist/2, and the keyword part is relative to the best one", run: formula),
            ConformanceCheck(
                "hybrid/S6-explained", needs: [.steeredEmbeddings],
                hint: "the parts of the value lack their weights, or do not add up to it", run: explained),
            ConformanceCheck(
                "hybrid/S6-alpha-ends", needs: [.keywordSearch],
                hint: "alpha 1 is not the semantic order, or alpha 0 not the keyword order", run: alphaEnds),
            ConformanceCheck(
                "hybrid/S6-phrases-and-no-words",
                hint: "phrases are not required, or a query without words finds nothing", run: phrasesAndNoWords),
        ]

        @Sendable static func anyWord(_ scope: CheckScope) async throws {
            try await addTexts(scope)
            try await expectWords(scope, "fox", ["fox", "foxdog", "foxes"])
            try await expectWords(scope, "fox dog", ["fox", "foxdog", "foxes", "dog"])
            try await expectWords(scope, "FOXES", ["fox", "foxdog", "foxes"])
            try await expectWords(scope, "zebra", [])
            let filtered = try await scope.search("fox dog", .keyword(.bm25std), try tag(.userID, eq: "u"))
            try scope.expect("with a filter", Set(filtered.items.map(\.record.id)), ["foxdog", "dog"])
            try scope.expect("its total", filtered.total, 2)
        }

        @Sendable static func words(_ scope: CheckScope) async throws {
            let texts = [
                "snake": "see snake_case here", "cpp": "I write C++ daily", "mail": "write to jane.doe@example.com",
                "russian": "Привет мир",
                "german": "ÜBER die Straße", "number": "version 2.10.5 of 1984", "apostrophe": "don't stop",
                "cjk": "東京 タワー", "accent": "cafe\u{301} au lait",
                "run": "they were running", "long": String(repeating: "donau", count: 60), "stop": "the and of",
                "longer": String(repeating: "donau", count: 61), "mark": "\u{301}\u{302} alone",
            ]
            _ = try await scope.database.add(try texts.map { try MemoryRecord(id: $0.key, text: $0.value) })
            for (query, expected) in [
                ("case", ["snake"]), ("snake_case", ["snake"]), ("c", ["cpp"]), ("C++", ["cpp"]), ("example", ["mail"]),
                ("jane.doe@example.com", ["mail"]), ("привет", ["russian"]), ("ПРИВЕТ", ["russian"]),
                ("über", ["german"]), ("strasse", ["german"]),
                ("STRASSE", ["german"]), ("1984", ["number"]), ("10", ["number"]), ("café", ["accent"]),
                ("CAFÉ", ["accent"]), ("東京", ["cjk"]), ("runs", ["run"]),
                (String(repeating: "Donau", count: 60), ["long"]), ("the", ["stop"]), ("don", ["apostrophe"]),
                (String(repeating: "donau", count: 61), ["longer"]), (String(repeating: "donau", count: 25), []),
                ("\u{301}\u{302}", []),
                ("*", []), ("-", []), ("@text:x", []),
                ("%%", []), ("🙂", []), ("snak*", []), ("(", []),
            ] {
                try await expectWords(scope, query, expected)
            }
        }

        @Sendable static func scriptsWithoutBlanks(_ scope: CheckScope) async throws {
            let texts = [
                "chinese": "我喜欢喝绿茶", "mixed": "新的iPhone手机壳", "japanese": "東京タワーへ行きました", "half": "ｶﾞｷﾞｸﾞ",
                "thai": "ฉันชอบดื่มชาเขียว", "lao": "ຂ້ອຍມັກຊາ", "khmer": "ខ្ញុំចូលចិត្តតែ", "myanmar": "လက်ဖက်ရည်ကြိုက်တယ်",
                "rare": "𠮷野家的饭", "letter": "茶 one", "date": "2026年11月28日",
            ]
            _ = try await scope.database.add(try texts.map { try MemoryRecord(id: $0.key, text: $0.value) })
            for (query, expected) in [
                ("绿茶", ["chinese"]), ("喜欢", ["chinese"]), ("绿色的茶", []), ("茶", ["letter"]), ("绿", []),
                ("手机", ["mixed"]), ("iphones", ["mixed"]), ("手机 绿茶", ["chinese", "mixed"]), ("タワー", ["japanese"]),
                ("行きます", ["japanese"]), ("ｷﾞｸﾞ", ["half"]), ("ชาเขียว", ["thai"]), ("ดื่ม", ["thai"]), ("ມັກ", ["lao"]),
                ("ចូលចិត្ត", ["khmer"]), ("လက်ဖက်", ["myanmar"]), ("𠮷野", ["rare"]), ("2026", ["date"]), ("11月", ["date"]),
            ] {
                try await expectWords(scope, query, expected)
            }
        }

        @Sendable static func phrasesWithoutBlanks(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "run", text: "我喜欢喝绿茶。"), try MemoryRecord(id: "reverse", text: "绿茶我喜欢喝"),
                try MemoryRecord(id: "parts", text: "喝绿豆汤和绿茶"), try MemoryRecord(id: "mixed", text: "喝iPhone绿茶"),
                try MemoryRecord(id: "other", text: "an unrelated line"),
            ])
            try await expectWords(scope, "喝绿茶", ["run", "reverse", "parts", "mixed"])
            try await expectWords(scope, "\"喝绿茶\"", ["run"])
            try await expectWords(scope, "\"喜欢喝\"", ["run", "reverse"])
            try await expectWords(scope, "\"绿茶我\"", ["reverse"])
            try await expectWords(scope, "\"喝 iPhone 绿茶\"", ["mixed"])
            try await expectWords(scope, "\"茶绿\" unrelated", [])
        }

        @Sendable static func phrases(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "exact", text: "the quick brown fox jumps"),
                try MemoryRecord(id: "reverse", text: "the fox brown and quick"),
                try MemoryRecord(id: "gap", text: "the quick and brown fox"),
                try MemoryRecord(id: "twice", text: "quick quick brown, Quick Brown"),
                try MemoryRecord(id: "other", text: "an unrelated line with dog"),
            ])
            try await expectWords(scope, "\"quick brown\"", ["exact", "twice"])
            try await expectWords(scope, "\"brown fox\" dog", ["exact", "gap"])
            try await expectWords(scope, "\"quick brown\" \"brown fox\"", ["exact"])
            try await expectWords(scope, "\"quick brown fox", ["exact", "reverse", "gap", "twice"])
            try await expectWords(scope, "\"Quick-Brown!\"", ["exact", "twice"])
            try await expectWords(scope, "\"fox quick\"", [])
            try await expectWords(scope, "\"++\" dog", ["other"])
        }

        @Sendable static func longPhrases(_ scope: CheckScope) async throws {
            let analyzer = TextAnalyzer()
            var seed: UInt64 = 11
            func random(_ bound: Int) -> Int {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(seed >> 33) % bound
            }
            func words(_ count: Int) -> [String] {
                (0..<count).map { _ in ["ruby", "jade", "opal", "onyx"][random(4)] }
            }
            let records = try (0..<200).map {
                try MemoryRecord(id: "p\($0)", text: words(3 + random(8)).joined(separator: " "))
            }
            _ = try await scope.database.add(records)
            for length in [3, 3, 3, 4, 4, 5] {
                let phrase = words(length).joined(separator: " ")
                let query = analyzer.query("\"\(phrase)\"")
                let expected = ranks(of: query, in: records, analyzer).keys.sorted()
                try await expectWords(scope, "\"\(phrase)\"", expected)
            }
        }

        @Sendable static func rankAndScore(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(
                try (0..<200).map {
                    try MemoryRecord(id: "common\($0)", text: "common words about nothing number\($0)", userID: "u")
                })
            _ = try await scope.database.add([
                try MemoryRecord(id: "rare", text: "common needle in the hay", userID: "u"),
                try MemoryRecord(id: "often", text: "needle needle needle needle", userID: "u"),
                try MemoryRecord(
                    id: "lost", text: "needle " + (0..<300).map { "filler\($0)" }.joined(separator: " "), userID: "u"),
            ])
            let found = try await scope.search("needle", .keyword(.bm25std))
            try scope.expect("order", found.items.map(\.record.id), ["often", "rare", "lost"])
            try scope.expect("best score", found.items[0].score ?? 0, near: 1)
            for hit in found.items {
                try scope.expect("dist is 1 - score", hit.distance, near: 1 - (hit.score ?? 0))
                try scope.expect("score_type", hit.scoreType, .keyword)
            }
            let second = try await scope.search("needle", .keyword(.bm25std), limit: 1, offset: 1)
            try scope.expect(
                "score on page two is relative to the best of all", second.items[0].score ?? 0,
                near: found.items[1].score ?? 9)
            let two = try await scope.search("common needle", .keyword(.bm25std), limit: 1)
            try scope.expect("total of two words", two.total, 203)
        }

        @Sendable static func rankWithFilters(_ scope: CheckScope) async throws {
            let analyzer = TextAnalyzer()
            let vocabulary = ["alpha", "beta", "gamma"] + (0..<12).map { "filler\($0)" }
            var seed: UInt64 = 7
            func random(_ bound: Int) -> Int {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(seed >> 33) % bound
            }
            let records = try (0..<300).map { index in
                try MemoryRecord(
                    id: "w\(index)",
                    text: (0..<(2 + random(10))).map { _ in vocabulary[random(vocabulary.count)] }.joined(
                        separator: " "),
                    userID: ["few", "some", "some", "many", "many", "many"][index < 20 ? 0 : 1 + random(5)],
                    namespace: "n\(random(3))",
                    createdAt: at(Int64(index)))
            }
            _ = try await scope.database.add(records)
            let filters: [(String, MemoryFilter)] = [
                ("no filter", .everything), ("few", try tag(.userID, eq: "few")),
                ("many", try tag(.userID, eq: "many")),
                ("not some", try tag(.userID, ne: "some")), ("startswith", try tag(.userID, startsWith: "m")),
                ("dates", try date(.createdAt, .init(.gte, at(50)), .init(.lt, at(250)))),
                (
                    "two fields",
                    MemoryFilter(tags: [
                        .userID: try TagCondition(field: .userID, any: ["few", "some"]),
                        .namespace: try TagCondition(field: .namespace, eq: "n1"),
                    ])
                ),
            ]
            for query in ["alpha", "alpha beta gamma", "\"alpha beta\"", "\"beta alpha\" gamma"] {
                let words = analyzer.query(query)
                let ranks = ranks(of: words, in: records, analyzer)
                for (name, filter) in filters {
                    let expected = records.filter { filter.matches($0) }.compactMap { ranks[$0.id] }
                    let found = try await scope.search(query, .keyword(.bm25std), filter, limit: 300)
                    try scope.expect("\(query) with \(name): total", found.total, expected.count)
                    guard let best = expected.max() else { continue }
                    for hit in found.items {
                        try scope.expect(
                            "\(query) with \(name): score of \(hit.record.id)", hit.score ?? -1,
                            near: (ranks[hit.record.id] ?? 0) / best,
                            within: 0.02)
                    }
                }
            }
        }

        @Sendable static func tiesById(_ scope: CheckScope) async throws {
            let ids = (0..<120).map { "k\(($0 * 7919) % 1000)" }
            _ = try await scope.database.add(try ids.map { try MemoryRecord(id: $0, text: "same words here") })
            let found = try await scope.search("words", .keyword(.bm25std), limit: 1000)
            try scope.expect("order", found.items.map(\.record.id), ids.map(ExactString.init).sorted().map(\.value))
        }

        @Sendable static func first10000Words(_ scope: CheckScope) async throws {
            let words = (0..<10_000).map { $0 == 9_999 ? "inside" : "w\($0 % 50)" } + ["outside"]
            _ = try await scope.database.add([
                try MemoryRecord(id: "long", text: words.joined(separator: " ")),
                try MemoryRecord(id: "short", text: "nothing of that"),
            ])
            try await expectWords(scope, "inside", ["long"])
            try await expectWords(scope, "outside", [])
            try await expectWords(scope, "\"w48 inside\"", ["long"])
            // The same limit applies to a query.
            let absent = (0..<9_999).map { "absent\($0 % 50)" }.joined(separator: " ")
            try await expectWords(scope, "\(absent) nothing inside", ["short"])
        }

        @Sendable static func union(_ scope: CheckScope) async throws {
            for start in stride(from: 0, to: 1500, by: 500) {
                _ = try await scope.database.add(
                    try (start..<start + 500).map { try MemoryRecord(id: "near\($0)", text: "[1, 0.\($0 % 9)] filler") }
                )
            }
            _ = try await scope.database.add([try MemoryRecord(id: "lexical", text: "[0, 0, 1] zanzibar")])
            let found = try await scope.search("[1] zanzibar", .hybrid(alpha: 0.3, .bm25std), limit: 10)
            try scope.expect("first", found.items.first?.record.id, "lexical")
            try scope.expect("its score", found.items.first?.score ?? 0, near: 1)
            try scope.expect("score_type", found.items.first?.scoreType, .hybrid)
            try scope.expect("total", found.total, 1501)
        }

        @Sendable static func formula(_ scope: CheckScope) async throws {
            let texts: [(id: String, text: String, vector: [Float])] = [
                ("both", "apple green", [1, 1]), ("vector", "pear green", [1]), ("words", "apple red", [-1]),
                ("neither", "plum red", [-1, 1]),
            ]
            for (_, text, vector) in texts { scope.embedder.assign(vector, to: text) }
            scope.embedder.assign([1], to: "apple")
            _ = try await scope.database.add(try texts.map { try MemoryRecord(id: $0.id, text: $0.text) })
            let found = try await scope.search("apple", .hybrid(alpha: 0.5, .bm25std))
            // both: 0.5 * (1 - 0.29289/2) + 0.5; vector: 0.5; words: 0.5 * 0 + 0.5; neither: 0.5 *
            // (1 - 1.70711/2)
            try scope.expect("order", found.items.map(\.record.id), ["both", "vector", "words", "neither"])
            for (hit, expected) in zip(found.items, [1, 0.539525, 0.539525, 0.079013]) {
                try scope.expect("score of \(hit.record.id)", hit.score ?? -1, near: expected, within: 5e-3)
                try scope.expect("dist is 1 - score", hit.distance, near: 1 - (hit.score ?? 0))
            }
        }

        /// A backend that ranks blended searches itself knows the parts of a classic rank too.
        @Sendable static func explained(_ scope: CheckScope) async throws {
            scope.embedder.assign([1], to: "fox")
            let texts: [(id: String, text: String, vector: [Float], similarity: Double, keyword: Double)] = [
                ("near", "red hen", [1], 0.75, 0), ("far", "blue hen", [-1], 0, 0),
                ("both", "a fox", [1, 1], 0.75 * (1 + 0.5.squareRoot()) / 2, 0.25),
            ]
            for text in texts { scope.embedder.assign(text.vector, to: text.text) }
            _ = try await scope.database.add(try texts.map { try MemoryRecord(id: $0.id, text: $0.text) })
            let found = try await scope.database.search(
                SearchQuery(
                    text: "fox", ranking: .hybrid(alpha: 0.75, .bm25std), page: PageRequest(limit: 10), explains: true))
            let best = texts.map { $0.similarity + $0.keyword }.max() ?? 1
            for hit in found.items {
                guard let parts = hit.explanation else {
                    let ranksItself = CheckedDatabase(scope.scoped.database).database.capabilities.blendedSearch
                    try scope.expect("\(hit.record.id) is explained", !ranksItself)
                    continue
                }
                guard let text = texts.first(where: { $0.id == hit.record.id }) else { continue }
                try scope.expect("similarity of \(text.id)", parts.similarity ?? -1, near: text.similarity)
                try scope.expect("keyword of \(text.id)", parts.keyword ?? -1, near: text.keyword)
                try scope.expect("words of \(text.id)", parts.words, text.keyword > 0 ? ["fox"] : [])
                try scope.expect("score of \(text.id)", hit.score ?? -1, near: (text.similarity + text.keyword) / best)
            }
        }

        @Sendable static func alphaEnds(_ scope: CheckScope) async throws {
            try await addTexts(scope)
            let semantic = try await scope.search("[0.4, 1] fox dog", .semantic(distanceThreshold: nil))
            let alphaOne = try await scope.search("[0.4, 1] fox dog", .hybrid(alpha: 1, .bm25std))
            try scope.expect("alpha 1", alphaOne.items.map(\.record.id), semantic.items.map(\.record.id))
            let keyword = try await scope.search("fox dog", .keyword(.bm25std))
            let alphaZero = try await scope.search("fox dog", .hybrid(alpha: 0, .bm25std))
            try scope.expect(
                "alpha 0", Array(alphaZero.items.map(\.record.id).prefix(keyword.total)), keyword.items.map(\.record.id)
            )
            try scope.expect("total", alphaZero.total, 6)
        }

        @Sendable static func phrasesAndNoWords(_ scope: CheckScope) async throws {
            try await addTexts(scope)
            let phrase = try await scope.search("\"lazy dog\"", .hybrid(alpha: 0.9, .bm25std))
            try scope.expect("phrase", Set(phrase.items.map(\.record.id)), ["foxdog"])
            try scope.expect("its total", phrase.total, 1)
            let wordless = try await scope.search("[1] ++", .hybrid(alpha: 0, .bm25std))
            try scope.expect("total of a query with one unknown word", wordless.total, 6)
            let nothing = try await scope.search("?!", .hybrid(alpha: 0, .bm25std))
            let semantic = try await scope.search("?!")
            try scope.expect("order without words", nothing.items.map(\.record.id), semantic.items.map(\.record.id))
        }
    }
}
