import AgentMemory

extension ConformanceCheck {
    /// Rules S1, S2, S4, S7, S8, S10.
    enum SearchChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "search/S1-empty-query", needs: [.steeredEmbeddings],
                hint: "a list asks the embedding service, or a query without text reaches the engine", run: emptyQuery),
            ConformanceCheck(
                "search/S2-nearest-first", needs: [.steeredEmbeddings],
                hint: "the order is not by distance, or the score is not 1 - dist", run: nearestFirst),
            ConformanceCheck(
                "search/S2-ties-by-id", needs: [.steeredEmbeddings],
                hint: "records at the same distance come in any order", run: tiesById),
            ConformanceCheck(
                "search/S2-distance-threshold", needs: [.distanceThreshold, .steeredEmbeddings],
                hint: "the threshold is exclusive, or the total counts records beyond it", run: distanceThreshold),
            ConformanceCheck(
                "search/S4-filters-first",
                hint: "the nearest are found first and filtered afterwards, so that matches are lost", run: filtersFirst
            ),
            ConformanceCheck(
                "search/S4-equal-vectors", hint: "an approximate index loses records whose vectors are equal",
                run: equalVectors),
            ConformanceCheck(
                "search/S7-server-side-recency", level: .recency, needs: [.serverSideRecency, .steeredEmbeddings],
                hint: "ages, weights or half-lives enter the score in another way", run: serverSideRecency),
            ConformanceCheck(
                "search/S8-page-not-filled-up",
                hint: "where fewer records match than the page holds, others are shown too", run: pageNotFilledUp),
            ConformanceCheck(
                "search/S8-filters-not-relaxed", hint: "a filter that matches nothing is dropped",
                run: filtersNotRelaxed),
            ConformanceCheck(
                "search/S10-neighbors",
                hint: "neighbours come from another user's or namespace's session of the same id, or not in its order",
                run: neighbors),
        ]

        @Sendable static func neighbors(_ scope: CheckScope) async throws {
            // In the order of the session; of the same time, the ids decide.
            let session: [(id: String, time: Int64)] = [
                ("z", 1), ("b", 2), ("\u{E9} ", 3), ("B", 4), ("a", 4), ("e\u{301}", 4), ("m", 4), ("last", 9),
            ]
            let owners: [(prefix: String, user: String?, namespace: String?)] = [
                ("1", "u", "n"), ("2", nil, nil), ("3", "u", nil), ("4", nil, "n"), ("5", "U", "n"),
            ]
            var records: [MemoryRecord] = []
            for owner in owners {
                records += try session.map { id, time in
                    try MemoryRecord(
                        id: owner.prefix + id, text: "text of \(owner.prefix)\(id)", sessionID: "s",
                        userID: owner.user, namespace: owner.namespace, createdAt: at(time))
                }
            }
            let others = [
                try MemoryRecord(id: "none", text: "in no session", userID: "u", namespace: "n", createdAt: at(3)),
                try MemoryRecord(
                    id: "alone", text: "x", sessionID: "S", userID: "u", namespace: "n", createdAt: at(3)),
            ]
            _ = try await scope.database.add(records.reversed() + others)
            for reach in SessionNeighbors.reaches.dropFirst() {
                let found = try await scope.database.neighbors(of: records + others, reach: reach)
                try scope.expect("answers", found.count, records.count + others.count)
                for (index, record) in records.enumerated() {
                    let position = index % session.count
                    let whole = records[(index - position)..<(index - position + session.count)].map {
                        SessionNeighbors.Memory(id: $0.id, text: $0.text)
                    }
                    let expected = SessionNeighbors(
                        before: Array(whole[..<position].suffix(reach)),
                        after: Array(whole[(position + 1)...].prefix(reach)))
                    try scope.expect("\(reach) around \(record.id)", found[index], expected)
                }
                try scope.expect("without a session", found[records.count], .none)
                try scope.expect("alone in a session", found[records.count + 1], .none)
            }
        }

        @Sendable static func emptyQuery(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(
                try (0..<12).map {
                    try MemoryRecord(
                        id: "l\($0)", text: "[1] x", userID: $0 % 3 == 0 ? "u" : "v", createdAt: at(Int64($0)))
                })
            for text in ["", " ", "\t\n", "\u{3000}\u{A0}"] {
                try scope.expect("\(text.debugDescription) is no query", SearchQuery.isBlank(text))
                try await scope.expectError("a search for \(text.debugDescription)", .invalidInput) {
                    _ = try await scope.search(text)
                }
            }
            scope.embedder.fail(.down)
            let before = scope.embedder.embeddedTexts.count
            let filter = try tag(.userID, eq: "u")
            let page = try await scope.database.list(ListQuery(filter: filter, page: PageRequest(limit: 3)))
            try scope.expect("texts embedded", scope.embedder.embeddedTexts.count, before)
            try scope.expect("ids", page.items.map(\.id), ["l9", "l6", "l3"])
            try scope.expect("total", page.total, 4)
            let hit = page.map(SearchHit.init(listed:)).items[0]
            try scope.expect("dist", hit.distance, 0)
            try scope.expect("score", hit.score, nil)
            try scope.expect("score_type", hit.scoreType, nil)
        }

        @Sendable static func nearestFirst(_ scope: CheckScope) async throws {
            let vectors = [
                "same": "[1]", "near": "[1, 0.5]", "right": "[0, 1]", "far": "[-1, 0.2]", "opposite": "[-2]",
            ]
            _ = try await scope.database.add(try vectors.map { try MemoryRecord(id: $0.key, text: "\($0.value) x") })
            let found = try await scope.search("[3] q")
            try scope.expect("order", found.items.map(\.record.id), ["same", "near", "right", "far", "opposite"])
            for (hit, expected) in zip(found.items, [0, 0.105573, 1, 1.980581, 2]) {
                try scope.expect("dist of \(hit.record.id)", hit.distance, near: expected, within: 1e-4)
                try scope.expect("score of \(hit.record.id)", hit.score ?? -1, near: max(0, 1 - hit.distance))
                try scope.expect("score_type", hit.scoreType, .semantic)
            }
            try scope.expect("total", found.total, 5)
        }

        @Sendable static func tiesById(_ scope: CheckScope) async throws {
            let ids = (0..<300).map { "t\(($0 * 7919) % 1000)" }
            _ = try await scope.database.add(
                try ids.map { try MemoryRecord(id: $0, text: "[1, 1] x") } + [
                    try MemoryRecord(id: "z-best", text: "[1] x")
                ])
            let expected = ["z-best"] + ids.map(ExactString.init).sorted().map(\.value)
            let found = try await scope.search("[1] q", limit: 1000)
            try scope.expect("order", found.items.map(\.record.id), expected)
            try scope.expect(
                "the first ten", try await scope.search("[1] q", limit: 10).items.map(\.record.id),
                Array(expected.prefix(10)))
        }

        @Sendable static func distanceThreshold(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "a", text: "[1] x"), try MemoryRecord(id: "b", text: "[1, 0.2] x"),
                try MemoryRecord(id: "c", text: "[1, 1] x"),
                try MemoryRecord(id: "d", text: "[0, 1] x"), try MemoryRecord(id: "e", text: "[-1] x"),
            ])
            for (threshold, expected) in [
                (0.001, ["a"]), (0.1, ["a", "b"]), (0.5, ["a", "b", "c"]), (1.5, ["a", "b", "c", "d"]),
                (2.5, ["a", "b", "c", "d", "e"]),
                // Distances without rounding: a record at the threshold is included.
                (1, ["a", "b", "c", "d"]), (2, ["a", "b", "c", "d", "e"]),
            ] {
                let found = try await scope.search("[1] q", .semantic(distanceThreshold: threshold))
                try scope.expect("threshold \(threshold)", found.items.map(\.record.id), expected)
                try scope.expect("total at \(threshold)", found.total, expected.count)
                let page = try await scope.search("[1] q", .semantic(distanceThreshold: threshold), limit: 1)
                try scope.expect("total of a page of one at \(threshold)", page.total, expected.count)
            }
            let other = try await scope.search("[0, 0, 1] q", .semantic(distanceThreshold: 0.5))
            try scope.expect("nothing near", other.total, 0)
        }

        @Sendable static func filtersFirst(_ scope: CheckScope) async throws {
            // The filter's records are the farthest of all.
            for start in stride(from: 0, to: 2000, by: 500) {
                _ = try await scope.database.add(
                    try (start..<start + 500).map {
                        try MemoryRecord(id: "near\($0)", text: "[1, 0.\($0 % 7)] x", userID: "crowd")
                    })
            }
            let few = (0..<40).map { "few\($0)" }
            _ = try await scope.database.add(
                try few.map { try MemoryRecord(id: $0, text: "[-1, 0.1] x", userID: "few") })
            let found = try await scope.search("[1] q", .semantic(distanceThreshold: nil), try tag(.userID, eq: "few"))
            try scope.expect("ids", found.items.map(\.record.id), few.map(ExactString.init).sorted().map(\.value))
            try scope.expect("total", found.total, 40)
        }

        @Sendable static func equalVectors(_ scope: CheckScope) async throws {
            for start in stride(from: 0, to: 900, by: 300) {
                _ = try await scope.database.add(
                    try (start..<start + 300).map {
                        try MemoryRecord(id: "e\($0)", text: "[1, 1] x", userID: $0 % 9 == 0 ? "u" : "v")
                    })
            }
            let all = try await scope.search("[1] q", limit: 1000)
            try scope.expect("all found", Set(all.items.map(\.record.id)).count, 900)
            let some = try await scope.search("[1] q", .semantic(distanceThreshold: nil), try tag(.userID, eq: "u"))
            try scope.expect("found with a filter", some.items.count, 100)
        }

        @Sendable static func serverSideRecency(_ scope: CheckScope) async throws {
            let now = Timestamp.now()
            func ago(_ days: Int64) -> Timestamp { now.advanced(bySeconds: -days * 86_400) }
            _ = try await scope.database.add([
                try MemoryRecord(id: "near-old", text: "[1] x", createdAt: ago(400), lastAccessed: ago(300)),
                try MemoryRecord(id: "near-fresh", text: "[1] x", createdAt: ago(1), lastAccessed: ago(0)),
                try MemoryRecord(id: "far-fresh", text: "[0, 1] x", createdAt: ago(0), lastAccessed: ago(0)),
                try MemoryRecord(id: "far-old", text: "[0, 1] x", createdAt: ago(400), lastAccessed: ago(300)),
            ])
            let standard = try await scope.search("[1] q", .semanticWithRecency(.standard))
            try scope.expect(
                "order", standard.items.map(\.record.id), ["near-fresh", "near-old", "far-fresh", "far-old"])
            // 0.8 * 1 + 0.2 * (0.6 * 2^0 + 0.4 * 2^(-1/30))
            try scope.expect("score", standard.items.first?.score ?? 0, near: 0.998172, within: 1e-3)
            try scope.expect("dist", standard.items.first?.distance ?? 9, near: 0)
            // Ages of many half-lives count as zero, and are not an error.
            _ = try await scope.database.add([
                try MemoryRecord(id: "ancient", text: "[-1] x", createdAt: .earliest, lastAccessed: .earliest)
            ])
            let short = try RecencyWeights(halfLifeLastAccessDays: 1e-6, halfLifeCreatedDays: 1e-6)
            try scope.expect("total", try await scope.search("[1] q", .semanticWithRecency(short)).total, 5)
            _ = try await scope.database.delete(["ancient"])
            let recent = try RecencyWeights(semantic: 0.1, recency: 0.9)
            let other = try await scope.search("[1] q", .semanticWithRecency(recent))
            try scope.expect(
                "order by recency", other.items.map(\.record.id), ["near-fresh", "far-fresh", "near-old", "far-old"])
            try scope.expect("total", other.total, 4)
        }

        @Sendable static func pageNotFilledUp(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(
                try (0..<40).map {
                    let of = $0 < 2 ? "few" : "many"
                    return try MemoryRecord(
                        id: "r\($0)", text: "[1] words", sessionID: of, userID: of, namespace: of,
                        memoryType: $0 < 2 ? .episodic : .semantic, topics: [of], entities: [of],
                        eventDate: $0 < 2 ? at(1) : nil)
                })
            let filters =
                try [TagField.sessionID, .userID, .namespace, .topics, .entities].map { try tag($0, eq: "few") } + [
                    try tag(.memoryType, eq: "episodic"), try tag(.userID, startsWith: "fe"),
                    try date(.eventDate, .init(.gte, at(0))),
                ]
            for filter in filters {
                try await scope.expectMatches("\(filter.tags.keys.map(\.rawValue))", filter, ["r0", "r1"])
                for ranking in scope.rankings {
                    let found = try await scope.search("[1] words", ranking, filter, limit: 10)
                    try scope.expect("\(ranking)", found.items.map(\.record.id).sorted(), ["r0", "r1"])
                    try scope.expect("its total", found.total, 2)
                }
            }
        }

        @Sendable static func filtersNotRelaxed(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(
                try (0..<5).map {
                    try MemoryRecord(id: "r\($0)", text: "[1] words", userID: "u", namespace: "n", topics: ["t"])
                })
            let filters = [
                try tag(.topics, eq: "x"), try tag(.entities, any: ["x"]), try tag(.namespace, eq: "x"),
                try tag(.memoryType, eq: "message"),
                try tag(.userID, eq: "x"), try tag(.sessionID, eq: "x"), try date(.eventDate, .init(.gt, at(0))),
            ]
            for filter in filters {
                for ranking in scope.rankings {
                    let found = try await scope.search("[1] words", ranking, filter)
                    try scope.expect("\(ranking) with \(filter.tags.keys.map(\.rawValue))", found.items.count, 0)
                    try scope.expect("its total", found.total, 0)
                }
            }
        }
    }
}
