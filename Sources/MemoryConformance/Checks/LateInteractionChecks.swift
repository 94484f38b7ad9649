import AgentMemory

extension ConformanceCheck {
    /// The late interaction of rule S11, and the bytes of rule S12 that backends keep for it.
    enum LateInteractionChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "search/S11-late-interaction", needs: [.lateInteraction, .steeredEmbeddings], makesTokens: true,
                hint:
                    "the tokens are left out, count twice, or are added up where the likest counts; or every word counts alike",
                run: semantic),
            ConformanceCheck(
                "search/S11-late-after-update", needs: [.lateInteraction, .steeredEmbeddings], makesTokens: true,
                hint: "the tokens of a text stay when the text changes, or go when another field does",
                run: afterUpdate),
            ConformanceCheck(
                "hybrid/S11-late-interaction", needs: [.lateInteraction, .steeredEmbeddings], makesTokens: true,
                hint: "late interaction replaces the other parts instead of adding to them", run: hybrid),
            ConformanceCheck(
                "capability/S12-opaque-bytes", needs: [.opaqueBytes],
                hint: "bytes come back changed, with another record, or not at all; or they outlive their text",
                run: opaqueBytes),
            ConformanceCheck(
                "capability/S12-opaque-pages", needs: [.opaqueBytes, .steeredEmbeddings],
                hint: "the bytes of a page are those of another one", run: opaquePages),
        ]

        // MARK: Rule S11

        private static let query = "red apple"
        private static let weight = 2.0

        /// Of 64 bits: "rose" is half like "red", "fruit" is like neither word of the query.
        private static let bits: [(word: String, bits: UInt64)] = [
            ("red", 0), ("apple", .max), ("rose", 0xFFFF), ("fruit", 0xFFFF_FFFF),
        ]

        /// The texts with the greatest likeness to "red" and to "apple"; the last one has no token.
        private static let texts: [(id: String, text: String, red: Double, apple: Double)] = [
            ("both", "rose fruit", 0.5, 0), ("often", "rose rose rose", 0.5, -0.5), ("exact", "red", 1, -1),
            ("bare", "!!!", 0, 0),
        ]

        private static func addTexts(_ scope: CheckScope) async throws {
            for (word, bits) in bits { scope.embedder.assign(bits: bits, toWord: word) }
            // One vector for all: the order is that of the tokens.
            for text in texts.map(\.text) + [query, "apple"] { scope.embedder.assign([1], to: text) }
            _ = try await scope.database.add(try texts.map { try MemoryRecord(id: $0.id, text: $0.text) })
        }

        /// What late interaction adds to each record.
        private static func late(
            _ likenesses: [(id: String, red: Double, apple: Double)], containingRed: Int, containingApple: Int
        ) -> [String: Double] {
            let (red, apple) = (
                BM25.inverseDocumentFrequency(documents: texts.count, containing: containingRed),
                BM25.inverseDocumentFrequency(documents: texts.count, containing: containingApple)
            )
            var values: [String: Double] = [:]
            for (id, likeRed, likeApple) in likenesses where id != "bare" {
                values[id] = weight * (red * likeRed + apple * likeApple) / (red + apple)
            }
            values["bare"] = values.values.reduce(0, +) / Double(values.count)
            return values
        }

        private static func search(
            _ scope: CheckScope, _ base: BlendedRanking.Base
        ) async throws -> [SearchHit] {
            let ranking = SearchQuery.Ranking.blended(
                try BlendedRanking(base, lateInteraction: weight, contextWeight: 0, dateWeight: 0))
            return try await scope.database.search(
                SearchQuery(text: query, ranking: ranking, page: PageRequest(limit: 10), explains: true)
            ).items
        }

        /// Expects the order and the scores of these values, and the explained part of the tokens.
        private static func expect(
            _ scope: CheckScope, _ what: String, _ hits: [SearchHit], _ values: [String: Double],
            late: [String: Double]
        ) throws {
            let expected = values.sorted { $0.value > $1.value }
            try scope.expect("\(what): order", hits.map(\.record.id), expected.map(\.key))
            for (hit, expected) in zip(hits, expected) {
                let id = expected.key
                let score = min(1, max(0, expected.value / (values.values.max() ?? 1)))
                try scope.expect("\(what): score of \(id)", hit.score ?? -1, near: score)
                guard let explained = hit.explanation else { continue }
                try scope.expect("\(what): part of \(id)", explained.late ?? -99, near: late[id] ?? 0)
            }
        }

        @Sendable static func semantic(_ scope: CheckScope) async throws {
            try await addTexts(scope)
            let late = late(texts.map { ($0.id, $0.red, $0.apple) }, containingRed: 1, containingApple: 0)
            try expect(
                scope, "with tokens", try await search(scope, .semantic), late.mapValues { 1 + $0 }, late: late)
        }

        @Sendable static func afterUpdate(_ scope: CheckScope) async throws {
            try await addTexts(scope)
            _ = try await scope.database.update([
                RecordUpdate(id: "exact", changes: try RecordChanges(text: "apple")),
                RecordUpdate(id: "both", changes: try RecordChanges(topics: ["flowers"])),
            ])
            let likenesses = texts.map { $0.id == "exact" ? ($0.id, -1, 1) : ($0.id, $0.red, $0.apple) }
            let late = late(likenesses, containingRed: 0, containingApple: 1)
            try expect(
                scope, "after an update", try await search(scope, .semantic), late.mapValues { 1 + $0 }, late: late)
        }

        @Sendable static func hybrid(_ scope: CheckScope) async throws {
            try await addTexts(scope)
            let late = late(texts.map { ($0.id, $0.red, $0.apple) }, containingRed: 1, containingApple: 0)
            // One record has a word of the query, and so is the best by keyword.
            let values = late.reduce(into: [:]) { values, entry in
                values[entry.key] = 0.7 + (entry.key == "exact" ? 0.3 : 0) + entry.value
            }
            let hits = try await search(scope, .hybrid(alpha: 0.7, .bm25std))
            try expect(scope, "hybrid", hits, values, late: late)
        }

        // MARK: Rule S12

        private static func keeper(_ scope: CheckScope) throws -> any OpaqueBytesDatabase {
            guard let keeper = CheckedDatabase(scope.scoped.database).opaqueBytes else {
                throw NotApplicable("the backend keeps no opaque bytes")
            }
            return keeper
        }

        private static func expect(
            _ scope: CheckScope, _ what: String, _ expected: [String: [UInt8]?]
        ) async throws {
            let (page, bytes) = try await keeper(scope).searchWithBytes(
                SearchQuery(text: "tea", ranking: .semantic(distanceThreshold: nil), page: PageRequest(limit: 100)))
            try scope.expect("\(what): one for each hit", bytes.count, page.items.count)
            for (hit, bytes) in zip(page.items, bytes) {
                guard let expected = expected[hit.record.id] else { continue }
                try scope.expect("\(what): bytes of \(hit.record.id)", bytes == expected)
            }
        }

        @Sendable static func opaqueBytes(_ scope: CheckScope) async throws {
            let keeper = try keeper(scope)
            let all = (0..<OpaqueBytes.maximumCount).map { UInt8(truncatingIfNeeded: $0) }
            let (zeros, text): ([UInt8], [UInt8]) = ([0, 0, 0], Array("\"text\"\n".utf8))
            func record(_ id: String) throws -> MemoryRecord { try MemoryRecord(id: id, text: "tea of \(id)") }
            let ids = ["all", "zeros", "none", "text"]
            _ = try await keeper.add(try ids.map(record), bytes: [all, zeros, nil, text])
            try await expect(scope, "added", ["all": all, "zeros": zeros, "none": nil, "text": text])
            // Added again, with others or without.
            _ = try await keeper.add([try record("zeros"), try record("text")], bytes: [nil, zeros])
            try await expect(scope, "replaced", ["all": all, "zeros": nil, "none": nil, "text": zeros])
            let now = Timestamp.now()
            _ = try await keeper.update(
                [
                    // Another field leaves them.
                    RecordUpdate(id: "all", changes: try RecordChanges(topics: ["drinks"])),
                    // The same text brings them.
                    RecordUpdate(id: "none", changes: try RecordChanges(text: "tea of none")),
                    RecordUpdate(id: "zeros", changes: try RecordChanges(text: "green tea")),
                    // The last text of two, and an update that is not due.
                    RecordUpdate(id: "text", changes: try RecordChanges(text: "black tea")),
                    RecordUpdate(id: "text", changes: try RecordChanges(text: "white tea")),
                    RecordUpdate(
                        id: "text",
                        changes: try RecordChanges(
                            text: "red tea", access: .init(at: now, minimumIntervalSeconds: 3600)
                        )),
                ], bytes: [nil, text, zeros, all, text, zeros])
            try await expect(scope, "updated", ["all": all, "none": text, "zeros": zeros, "text": text])
            _ = try await keeper.update(
                [RecordUpdate(id: "zeros", changes: try RecordChanges(text: "tea again"))], bytes: [nil])
            try await expect(scope, "removed with the text", ["all": all, "zeros": nil])
            _ = try await keeper.delete(["all"])
            _ = try await keeper.add([try record("all")])
            try await expect(scope, "deleted", ["all": nil, "none": text])
        }

        @Sendable static func opaquePages(_ scope: CheckScope) async throws {
            let keeper = try keeper(scope)
            let numbers = Array(0..<9)
            for number in numbers { scope.embedder.assign([1, Float(number)], to: "text \(number)") }
            scope.embedder.assign([1], to: "query")
            _ = try await keeper.add(
                try numbers.map {
                    try MemoryRecord(id: "m\($0)", text: "text \($0)", userID: $0.isMultiple(of: 2) ? "even" : "odd")
                }, bytes: numbers.map { [UInt8($0)] })
            var found: [[UInt8]?] = []
            for offset in [0, 2, 4] {
                let query = try SearchQuery(
                    text: "query", ranking: .semantic(distanceThreshold: nil), filter: try tag(.userID, eq: "even"),
                    page: PageRequest(limit: 2, offset: offset))
                found += try await keeper.searchWithBytes(query).bytes
            }
            try scope.expect("bytes of the pages joined", found == [[0], [2], [4], [6], [8]])
        }
    }
}
