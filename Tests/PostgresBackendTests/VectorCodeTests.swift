import AgentMemory
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// Searches of one user by the codes of the vectors.
@Suite(.tags(.store)) struct VectorCodeTests {
    /// Each text has a direction of its own, which is the hardest case for codes.
    struct RandomEmbedder: Embedder {
        let model = "test/random"
        let dimensions = 256

        func embed(_ texts: [String]) async throws -> [[Float]] {
            texts.map { text in
                var generator = SplitMix(
                    seed: text.utf8.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 })
                return (0..<dimensions).map { _ in Float.random(in: -1...1, using: &generator) }
            }
        }

        func unavailability() async -> String? { nil }
    }

    private static let mine = 1500
    private static let filter = MemoryFilter(tags: [.userID: try! TagCondition(field: .userID, eq: "me")])

    private func withStore(_ body: (PostgresMemoryDatabase) async throws -> Void) async throws {
        try await TestStore.withSchema { schema in
            let database = try PostgresMemoryDatabase(
                configuration: try TestStore.configuration(schema: schema),
                embedder: RandomEmbedder(), logger: TestStore.logger)
            try await database.prepare()
            try await withClosing {
                for start in stride(from: 0, to: Self.mine, by: 500) {
                    _ = try await database.add(try (start..<start + 500).map { try record($0, user: "me") })
                }
                _ = try await database.add(try (9000..<9050).map { try record($0, user: "other") })
                _ = try await database.add([try record(9999, user: nil)])
                try await body(database)
            } close: {
                await database.close()
            }
        }
    }

    private func record(_ number: Int, user: String?) throws -> MemoryRecord {
        try MemoryRecord(
            id: "m\(number)", text: "text \(number)", userID: user, namespace: number % 2 == 0 ? "even" : nil)
    }

    private func search(
        _ text: String, _ database: PostgresMemoryDatabase, limit: Int = 10, filter: MemoryFilter = filter
    ) async throws -> Page<SearchHit> {
        try await database.search(
            SearchQuery(
                text: text, ranking: .semantic(distanceThreshold: nil), filter: filter,
                page: PageRequest(limit: limit)))
    }

    /// The nearest record, by the plan with codes: its statement trusts them.
    private func nearestByCodes(_ text: String, _ database: PostgresMemoryDatabase, matches: Int) async throws -> String
    {
        let statement = database.sql.semanticQuery(
            try await database.embedding(of: text), filter: Self.filter,
            plan: .coded(candidates: 300, matches: matches), threshold: nil, page: try PageRequest(limit: 1))
        let result = try await database.ask(statement.sql, statement.parameters)
        // Those with the 300 most similar codes, and all as similar as the last of them.
        let alike = try await database.ask(
            """
            WITH coded AS (SELECT bits <~> vector_code($1) AS differing \
            FROM \(VectorCodes(vectors: database.space.table).table) WHERE user_id = 'me') \
            SELECT count(*) FROM coded WHERE differing <= (SELECT differing FROM coded ORDER BY 1 OFFSET 299 LIMIT 1)
            """, [statement.parameters[0]])
        #expect(try result[0].int("extra") == alike.singleRow().int(0))
        return try result[0].text(result.column("id"))
    }

    @Test func `a search by codes finds nearly all of the nearest`() async throws {
        try await withStore { database in
            #expect(database.space.isCoded)
            var found = 0
            for query in 0..<20 {
                let page = try await search("query \(query)", database)
                let full = try await search("query \(query)", database, limit: 1200)
                #expect(page.total == Self.mine && full.total == Self.mine)
                let truth = Set(full.items.prefix(10).map(\.record.id))
                found += page.items.count { truth.contains($0.record.id) }
                #expect(
                    page.items[0].distance == full.items[0].distance
                        || page.items[0].record.id != full.items[0].record.id)
            }
            #expect(Double(found) / 200 >= 0.95)
            #expect(try await nearestByCodes("text 77", database, matches: Self.mine) == "m77")
        }
    }

    @Test func `codes follow texts, owners and deletions`() async throws {
        try await withStore { database in
            let both = [
                RecordUpdate(id: "m1", changes: try RecordChanges(text: "zebra")),
                RecordUpdate(id: "m2", changes: try RecordChanges(userID: .set("other"))),
                RecordUpdate(id: "m9001", changes: try RecordChanges(userID: .set("me"))),
                RecordUpdate(id: "m9999", changes: try RecordChanges(userID: .set("me"))),
            ]
            #expect(try await database.update(both) == 4)
            _ = try await database.add([try record(3, user: nil)])
            #expect(try await database.delete(["m4"]) == 1)
            let matches = Self.mine - 1
            #expect(try await search("zebra", database).total == matches)
            #expect(try await nearestByCodes("zebra", database, matches: matches) == "m1")
            for id in ["9001", "9999"] {
                #expect(try await nearestByCodes("text \(id)", database, matches: matches) == "m\(id)")
            }
            for id in ["1", "2", "3", "4"] {
                #expect(try await nearestByCodes("text \(id)", database, matches: matches) != "m\(id)")
            }
        }
    }

    @Test func `records without codes are found, and get some`() async throws {
        try await withStore { database in
            _ = try await database.ask("DELETE FROM memory_embeddings_codes WHERE number % 3 = 0")
            for number in 0..<9 {
                #expect(try await search("text \(number)", database).items[0].record.id == "m\(number)")
            }
            try await database.completeCodes()
            #expect(try await nearestByCodes("text 77", database, matches: Self.mine) == "m77")
        }
    }

    @Test func `codes are complete once none is missing, and then no server looks for some`() async throws {
        try await withStore { database in
            let noted = "SELECT has_all_codes FROM vector_spaces WHERE table_name = 'memory_embeddings'"
            let count = "SELECT count(*) FROM memory_embeddings_codes"
            _ = try await database.ask("DELETE FROM memory_embeddings_codes WHERE id IN ('m1', 'm2')")
            // A record that is being written is left out.
            try await database.database.withTransaction([], deadline: .soon) { connection, _ in
                _ = try await connection.query(
                    PostgresStatement("SELECT FROM memories WHERE id = 'm2' FOR UPDATE"), deadline: .soon)
                try await database.completeCodes()
                #expect(try await database.ask(count).singleRow().int(0) == Self.mine + 49)
                #expect(try await !database.ask(noted).singleRow().bool(0))
            }
            try await database.completeCodes()
            #expect(try await database.ask(count).singleRow().int(0) == Self.mine + 50)
            #expect(try await database.ask(noted).singleRow().bool(0))

            _ = try await database.ask("DELETE FROM memory_embeddings_codes WHERE id = 'm3'")
            database.codesAreComplete.store(false, ordering: .relaxed)
            try await database.completeCodes()
            #expect(try await database.ask(count).singleRow().int(0) == Self.mine + 49)
        }
    }

    @Test func `a user without rights on the codes writes and searches`() async throws {
        try await TestStore.withRole { schema, role, url in
            let owner = try PostgresMemoryDatabase(
                configuration: try TestStore.configuration(schema: schema),
                embedder: RandomEmbedder(), logger: TestStore.logger)
            try await withClosing {
                try await owner.prepare()
                _ = try await owner.add(try (0..<10).map { try record($0, user: "me") })
                _ = try await owner.ask("DELETE FROM memory_embeddings_codes")
            } close: {
                await owner.close()
            }
            try await TestStore.administer(
                """
                GRANT USAGE ON SCHEMA \(schema) TO \(role); \
                GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \(schema) TO \(role); \
                REVOKE ALL ON \(schema).memory_embeddings_codes FROM \(role)
                """)
            let server = try PostgresMemoryDatabase(
                configuration: try TestStore.configuration(schema: schema, url: url, autoMigrate: false),
                embedder: RandomEmbedder(), logger: TestStore.logger)
            try await withClosing {
                try await server.prepare()
                #expect(!server.space.isCoded)
                try await server.completeCodes()
                _ = try await server.add([try record(11, user: "me")])
                #expect(try await search("text 11", server).items[0].record.id == "m11")
            } close: {
                await server.close()
            }
            try await TestStore.administer("GRANT SELECT ON \(schema).memory_embeddings_codes TO \(role)")
            let reader = try PostgresMemoryDatabase(
                configuration: try TestStore.configuration(schema: schema, url: url, autoMigrate: false),
                embedder: RandomEmbedder(), logger: TestStore.logger)
            try await withClosing {
                try await reader.prepare()
                #expect(reader.space.isCoded)
                try await reader.completeCodes()
                #expect(try await search("text 3", reader).items[0].record.id == "m3")
            } close: {
                await reader.close()
            }
        }
    }
}
