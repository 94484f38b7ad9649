import AgentMemory
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// Searches of one user whose codes the server remembers give what searches without them give.
@Suite(.tags(.store)) struct RememberedCodesTests {
    private static let mine = 1500
    private static let filter = MemoryFilter(tags: [.userID: try! TagCondition(field: .userID, eq: "me")])
    private static let evens = MemoryFilter(tags: [
        .userID: try! TagCondition(field: .userID, eq: "me"),
        .namespace: try! TagCondition(field: .namespace, eq: "even"),
    ])

    /// Two servers of one store.
    private struct Servers {
        let remembering: PostgresMemoryDatabase
        /// It remembers no codes.
        let plain: PostgresMemoryDatabase
    }

    private func server(
        schema: String, codeBytes: Int = PostgresMemoryDatabase.Configuration.standardCodeBytes
    ) async throws -> PostgresMemoryDatabase {
        var configuration = try TestStore.configuration(schema: schema)
        configuration.codeBytes = codeBytes
        let database = try PostgresMemoryDatabase(
            configuration: configuration, embedder: VectorCodeTests.RandomEmbedder(), logger: TestStore.logger)
        try await database.prepare()
        return database
    }

    private func withServers(_ body: (Servers) async throws -> Void) async throws {
        try await TestStore.withSchema { schema in
            let servers = Servers(
                remembering: try await server(schema: schema), plain: try await server(schema: schema, codeBytes: 0))
            try await withClosing {
                try await add(0..<Self.mine, to: servers.plain)
                try await add(9000..<9050, user: "other", to: servers.plain)
                try await body(servers)
            } close: {
                await servers.remembering.close()
                await servers.plain.close()
            }
        }
    }

    private func add(
        _ numbers: Range<Int>, user: String = "me", to database: PostgresMemoryDatabase
    ) async throws {
        for start in stride(from: numbers.lowerBound, to: numbers.upperBound, by: 500) {
            _ = try await database.add(
                try (start..<min(start + 500, numbers.upperBound)).map { try record($0, user: user) })
        }
    }

    private func record(_ number: Int, text: String? = nil, user: String? = "me") throws -> MemoryRecord {
        try MemoryRecord(
            id: "m\(number)", text: text ?? "text \(number)", userID: user,
            namespace: number % 10 == 0 ? nil : "even")
    }

    private func search(
        _ text: String, _ database: PostgresMemoryDatabase, filter: MemoryFilter = filter, limit: Int = 10,
        offset: Int = 0, ranking: SearchQuery.Ranking = .semantic(distanceThreshold: nil)
    ) async throws -> Page<SearchHit> {
        try await database.search(
            SearchQuery(
                text: text, ranking: ranking, filter: filter,
                page: PageRequest(limit: limit, offset: offset)))
    }

    private func held(_ database: PostgresMemoryDatabase, _ filter: MemoryFilter = filter) -> OwnerCodes? {
        database.remembered(filter).flatMap { database.rememberedCodes.codes(for: $0.key) }
    }

    /// Searches until the codes are remembered.
    private func warmUp(_ database: PostgresMemoryDatabase, _ filter: MemoryFilter = filter) async throws {
        for number in 0..<3 { _ = try await search("warm \(number)", database, filter: filter) }
        try #require(held(database, filter) != nil)
    }

    private func expectSamePages(
        _ text: String, _ servers: Servers, filter: MemoryFilter = filter, limit: Int = 10, offset: Int = 0,
        ranking: SearchQuery.Ranking = .semantic(distanceThreshold: nil), _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let (page, plain) = (
            try await search(
                text, servers.remembering, filter: filter, limit: limit, offset: offset, ranking: ranking),
            try await search(text, servers.plain, filter: filter, limit: limit, offset: offset, ranking: ranking)
        )
        #expect(page.items.map(\.record) == plain.items.map(\.record), sourceLocation: location)
        #expect(page.items.map(\.distance) == plain.items.map(\.distance), sourceLocation: location)
        // Scores by recency depend on the moment of the search.
        #expect(
            zip(page.items, plain.items).allSatisfy { abs(($0.score ?? 0) - ($1.score ?? 0)) < 1e-6 },
            sourceLocation: location)
        #expect(page.total == plain.total, sourceLocation: location)
    }

    @Test func `pages, totals and thresholds are those of the store's own comparison`() async throws {
        try await withServers { servers in
            for filter in [Self.filter, Self.evens] {
                try await warmUp(servers.remembering, filter)
                for query in 0..<5 {
                    let text = "query \(query)"
                    try await expectSamePages(text, servers, filter: filter)
                    try await expectSamePages(text, servers, filter: filter, limit: 7, offset: 20)
                    try await expectSamePages(text, servers, filter: filter, limit: 7, offset: 5000)
                    try await expectSamePages(text, servers, filter: filter, limit: 1200)
                    for threshold in [0.0, 0.7, 0.9, 1.1] {
                        try await expectSamePages(
                            text, servers, filter: filter, ranking: .semantic(distanceThreshold: threshold))
                    }
                }
                #expect(held(servers.remembering, filter)?.stamps.values.isEmpty == false)
            }
            #expect(held(servers.plain) == nil)
        }
    }

    @Test func `every ranking by distance uses them, with the results of the store's own comparison`() async throws {
        try await withServers { servers in
            // So many that comparing codes is the cheapest plan of each of them.
            try await add(20_000..<22_000, to: servers.plain)
            try await add(30_000..<31_000, user: "other", to: servers.plain)
            let rankings: [SearchQuery.Ranking] = [
                .semanticWithRecency(.standard), .hybrid(alpha: 0.5, .bm25std),
                .blended(
                    try BlendedRanking(
                        .hybrid(alpha: 0.6, .bm25std), lateInteraction: 0, contextWeight: 0.4, dateWeight: 0.3)),
            ]
            for ranking in rankings {
                for number in 0..<3 {
                    try await expectSamePages("text \(number) or query", servers, ranking: ranking)
                    try await expectSamePages("text \(number)", servers, limit: 7, offset: 20, ranking: ranking)
                }
                #expect(held(servers.remembering) != nil)
                // Those of the next ranking are read again.
                servers.remembering.rememberedCodes.drop(unusedSince: .now)
            }
            #expect(held(servers.remembering) == nil)
        }
    }

    @Test func `a record of another user is not returned even where no trigger told of it`() async throws {
        try await withServers { servers in
            try await warmUp(servers.remembering)
            _ = try await servers.plain.ask("ALTER TABLE memories DISABLE TRIGGER USER")
            _ = try await servers.plain.ask("UPDATE memories SET user_id = 'other' WHERE id = 'm7'")
            let page = try await search("text 7", servers.remembering)
            #expect(page.items.allSatisfy { $0.record.userID == "me" })
            #expect(page.items.count == 10 && page.total == Self.mine - 1)
        }
    }

    @Test func `codes do not say how many records are within a distance`() async throws {
        try await withServers { servers in
            // So many that comparing codes would be the cheapest plan.
            try await add(20_000..<26_000, to: servers.plain)
            let vector = try await servers.plain.embedding(of: "query")
            var sql = SQLBuilder()
            let distance = servers.plain.space.distance(to: sql.bind(vector))
            let statement = sql.statement(
                """
                SELECT count(*) FROM memory_embeddings e JOIN memories m USING (number) \
                WHERE m.user_id = 'me' AND \(distance) <= 1
                """)
            let within = try await servers.plain.ask(statement.sql, statement.parameters).singleRow().int(0)
            #expect(within > 2000)
            for server in [servers.plain, servers.remembering] {
                let page = try await search("query", server, ranking: .semantic(distanceThreshold: 1))
                #expect(page.total == within)
            }
        }
    }

    @Test func `codes follow each kind of change, made by another server`() async throws {
        try await withServers { servers in
            let (server, other) = (servers.remembering, servers.plain)
            try await warmUp(server)
            func change(
                finding text: String, total: Int, _ location: SourceLocation = #_sourceLocation,
                _ work: () async throws -> Void
            ) async throws {
                try await work()
                try await expectSamePages(text, servers, location)
                let page = try await search(text, server)
                #expect(page.total == total, sourceLocation: location)
                let codes = try #require(held(server), sourceLocation: location)
                #expect(codes.count == total, sourceLocation: location)
            }
            try await change(finding: "text 5000", total: 1501) { _ = try await other.add([try record(5000)]) }
            try await change(finding: "zebra", total: 1501) {
                _ = try await other.update([RecordUpdate(id: "m1", changes: try RecordChanges(text: "zebra"))])
            }
            // The same words in another order: another vector.
            try await change(finding: "2 text", total: 1501) {
                _ = try await other.update([RecordUpdate(id: "m2", changes: try RecordChanges(text: "2 text"))])
            }
            try await change(finding: "replaced", total: 1501) {
                _ = try await other.add([try record(3, text: "replaced")])
            }
            try await change(finding: "text 4", total: 1500) {
                _ = try await other.update([RecordUpdate(id: "m4", changes: try RecordChanges(userID: .set("other")))])
            }
            try await change(finding: "text 9001", total: 1501) {
                _ = try await other.update([RecordUpdate(id: "m9001", changes: try RecordChanges(userID: .set("me")))])
            }
            try await change(finding: "text 5", total: 1500) { _ = try await other.delete(["m5"]) }
            try await change(finding: "text 6", total: 1500) {
                _ = try await other.delete(["m6"])
                _ = try await other.add([try record(6)])
            }
            // A change of another user's records, and one that no search by vector sees.
            let before = try #require(held(server)).stamps
            _ = try await other.add([try record(9100, user: "other")])
            _ = try await other.update([RecordUpdate(id: "m7", changes: try RecordChanges(topics: ["t"]))])
            try await expectSamePages("text 7", servers)
            #expect(held(server)?.stamps == before)
        }
    }

    @Test func `a namespace has codes of its own`() async throws {
        try await withServers { servers in
            try await warmUp(servers.remembering, Self.evens)
            let total = try await search("any", servers.plain, filter: Self.evens).total
            _ = try await servers.plain.update([
                RecordUpdate(id: "m1", changes: try RecordChanges(namespace: .set("odd"))),
                RecordUpdate(id: "m10", changes: try RecordChanges(namespace: .set("even"))),
                RecordUpdate(id: "m2", changes: try RecordChanges(namespace: .set("odd"))),
            ])
            try await expectSamePages("text 10", servers, filter: Self.evens)
            try await expectSamePages("text 1", servers, filter: Self.evens)
            #expect(held(servers.remembering, Self.evens)?.count == total - 1)
        }
    }

    @Test func `folded changes, and a statement of many records, make the server read all codes again`() async throws {
        try await withServers { servers in
            let server = servers.remembering
            try await warmUp(server)
            for number in 0..<3 { _ = try await servers.plain.delete(["m\(number)"]) }
            try await servers.plain.forgetOwnerChanges()
            #expect(try await server.ask("SELECT count(*) FROM memory_owner_changes").singleRow().int(0) == 1)
            #expect(try await server.ask("SELECT owner FROM memory_owner_changes").singleRow().int(0) == 0)
            try await expectSamePages("text 1", servers)
            try await expectSamePages("text 1", servers)
            #expect(held(server)?.count == Self.mine - 3)

            try await add(5000..<6000, to: servers.plain)
            _ = try await server.ask(
                "DELETE FROM memories WHERE number IN (SELECT number FROM memories WHERE id LIKE 'm%' AND user_id = 'me' ORDER BY number LIMIT 1001)"
            )
            #expect(
                try await server.ask("SELECT count(*) FROM memory_owner_changes WHERE owner <> 0 AND numbers IS NULL")
                    .singleRow().int(0) == 1)
            try await expectSamePages("text 5555", servers)
            try await expectSamePages("text 5555", servers)
            #expect(held(server)?.count == Self.mine - 3 + 1000 - 1001)

            _ = try await server.ask("TRUNCATE memories CASCADE")
            let page = try await search("text 1", server)
            #expect(page.items.isEmpty && page.total == 0)
        }
    }

    @Test func `each write is found by the next search, while others write and fold`() async throws {
        try await withServers { servers in
            let server = servers.remembering
            try await warmUp(server)
            try await withThrowingTaskGroup { group in
                for writer in 0..<3 {
                    group.addTask {
                        for turn in 0..<25 {
                            let number = 20_000 + 1000 * writer + turn
                            let text = "turn \(turn) of \(writer)"
                            _ = try await servers.plain.add([try self.record(number, text: text)])
                            let first = try await self.search(text, server).items.first
                            #expect(first?.record.id == "m\(number)")
                            if turn % 5 == 2 {
                                #expect(try await servers.plain.delete(["m\(number)"]) == 1)
                                let next = try await self.search(text, server).items.first
                                #expect(next?.record.id != "m\(number)")
                            }
                            if turn % 8 == 4 { try await servers.plain.forgetOwnerChanges() }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await expectSamePages("any", servers)
            let page = try await search("any", server)
            #expect(page.total == Self.mine + 3 * 20)
            try await warmUp(server)
            #expect(held(server)?.count == page.total)
        }
    }

    @Test func `records without a code are found, and no codes are remembered meanwhile`() async throws {
        try await withServers { servers in
            _ = try await servers.plain.ask("DELETE FROM memory_embeddings_codes WHERE number % 3 = 0")
            for number in 0..<9 {
                #expect(try await search("text \(number)", servers.remembering).items[0].record.id == "m\(number)")
            }
            #expect(held(servers.remembering) == nil)
        }
    }

    @Test func `a vector that is missing leads to the store's own comparison`() async throws {
        try await withServers { servers in
            try await warmUp(servers.remembering)
            _ = try await servers.plain.ask(
                "DELETE FROM memory_embeddings WHERE number = (SELECT number FROM memories WHERE id = 'm77')")
            try await expectSamePages("text 77", servers)
            #expect(held(servers.remembering) == nil)
        }
    }

    @Test func `more equal distances than codes tell apart are left to an exact search`() async throws {
        try await withServers { servers in
            _ = try await servers.plain.add(try (5000..<5040).map { try record($0, text: "the same") })
            try await warmUp(servers.remembering)
            try await expectSamePages("the same", servers, limit: 30)
        }
    }

    @Test func `callers of different scopes do not share codes`() async throws {
        try await TestStore.withRole { schema, role, url in
            try await TestStore.administer("CREATE SCHEMA \(schema) AUTHORIZATION \(role)")
            var configuration = try TestStore.configuration(schema: schema, url: url)
            configuration.database.rowSecurity = true
            let database = try PostgresMemoryDatabase(
                configuration: configuration, embedder: VectorCodeTests.RandomEmbedder(), logger: TestStore.logger)
            try await database.prepare()
            try await withClosing {
                try await AccessScope.everything.limiting {
                    for start in stride(from: 0, to: 2600, by: 650) {
                        _ = try await database.add(
                            try (start..<start + 650).map {
                                try MemoryRecord(
                                    id: "m\($0)", text: "text \($0)", userID: "me",
                                    namespace: $0 % 2 == 0 ? "even" : "odd")
                            })
                    }
                }
                for (namespace, other) in [("even", 1), ("odd", 0)] {
                    let scope = AccessScope(namespaces: PermittedValues(exactly: [namespace]))
                    try await scope.limiting {
                        for _ in 0..<5 {
                            let page = try await search("text \(other)", database)
                            #expect(page.total == 1300)
                            #expect(page.items.count == 10)
                            #expect(page.items.allSatisfy { $0.record.namespace == namespace })
                        }
                        let codes = try #require(held(database))
                        #expect(codes.count == 1300)
                    }
                }
                let everything = try await AccessScope.everything.limiting {
                    try await search("text 1", database).items[0].record.id
                }
                #expect(everything == "m1")
            } close: {
                await database.close()
            }
        }
    }

    @Test func `a change is noted with the code of a row that was there`() async throws {
        try await withServers { servers in
            let server = servers.plain
            try await server.forgetOwnerChanges()
            let others = "SELECT count(*) FROM memory_owner_changes WHERE owner <> 0"
            // One for the record; its code is new with it.
            _ = try await server.add([try record(5000)])
            #expect(try await server.ask(others).singleRow().int(0) == 1)
            _ = try await server.update([RecordUpdate(id: "m5000", changes: try RecordChanges(text: "other words"))])
            #expect(try await server.ask(others).singleRow().int(0) == 2)
            _ = try await server.add([try record(5001, user: nil)])
            #expect(try await server.ask(others).singleRow().int(0) == 2)
            #expect(
                try await server.ask(
                    "SELECT count(*) FROM memory_owner_changes WHERE owner = hashtextextended('me', 0)"
                ).singleRow().int(0) == 2)
        }
    }

    @Test func `an erasure leaves no hash of the user`() async throws {
        try await withServers { servers in
            let scope = try ErasureScope(userID: "me")
            var step = try await servers.plain.erase(scope, from: nil)
            while let next = step.next { step = try await servers.plain.erase(scope, from: next) }
            #expect(
                try await servers.plain.ask("SELECT count(*) FROM memory_owner_changes WHERE owner <> 0")
                    .singleRow().int(0) == 0)
        }
    }

    @Test func `many changes are folded`() async throws {
        try await withServers { servers in
            _ = try await servers.plain.ask(
                "INSERT INTO memory_owner_changes (owner) SELECT n % 7 FROM generate_series(1, 1000) n")
            try await servers.plain.foldOwnerChanges()
            #expect(try await servers.plain.ask("SELECT count(*) FROM memory_owner_changes").singleRow().int(0) == 1)
            try await servers.plain.foldOwnerChanges()
            #expect(try await servers.plain.ask("SELECT count(*) FROM memory_owner_changes").singleRow().int(0) == 1)
        }
    }

    @Test func `the server's code of a vector is that of the store`() async throws {
        try await withServers { servers in
            let server = servers.plain
            let texts = (0..<50).map { "code \($0)" }
            for vector in try await server.embedder.embed(texts) + [[Float](repeating: 0, count: 256)] {
                var sql = SQLBuilder()
                let bound = sql.bind(vector)
                let statement = sql.statement("SELECT varbit_send(vector_code(\(bound)))")
                let stored = try await server.ask(statement.sql, statement.parameters).singleRow().rawBytes(0)
                let differing = zip(stored.dropFirst(4), VectorCodes.code(of: vector)).reduce(0) {
                    $0 + ($1.0 ^ $1.1).nonzeroBitCount
                }
                #expect(differing <= 1)
                #expect(stored.count - 4 == VectorCodes.code(of: vector).count)
            }
        }
    }
}
