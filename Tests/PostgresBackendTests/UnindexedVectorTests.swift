import AgentMemory
import Migrations
import PostgresDriver
import Synchronization
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// Vectors that wait outside of the HNSW index.
@Suite(.tags(.store)) struct UnindexedVectorTests {
    private static let count = 1200
    private static let filter = MemoryFilter(tags: [.namespace: try! TagCondition(field: .namespace, eq: "one")])

    /// A store of ``count`` records, all outside of the index.
    private func withStore(
        unindexedBytes: Int = 64 << 20, count: Int = count, _ body: (PostgresMemoryDatabase) async throws -> Void
    ) async throws {
        try await TestStore.withSchema { schema in
            var configuration = try TestStore.configuration(schema: schema)
            configuration.unindexedBytes = unindexedBytes
            let database = try PostgresMemoryDatabase(
                configuration: configuration, embedder: VectorCodeTests.RandomEmbedder(), logger: TestStore.logger)
            try await database.prepare()
            try await withClosing {
                for start in stride(from: 0, to: count, by: 300) {
                    _ = try await database.add(try (start..<start + 300).map { try record($0) })
                }
                try await body(database)
            } close: {
                await database.close()
            }
        }
    }

    @Test func `the migration adds the column as the server does`() throws {
        let migration = try #require(Migration.all.first { $0.name == "0014_defer_indexing" })
        func words(_ sql: String) -> [Substring] { sql.split(whereSeparator: \.isWhitespace) }
        let commands = SQLScript.commands(of: migration.sql).filter { $0.hasPrefix("ALTER TABLE IF EXISTS") }
        #expect(
            commands.map { words($0.replacing("ALTER TABLE IF EXISTS", with: "ALTER TABLE")) }
                == SQLScript.commands(of: UnindexedVectors(vectors: "memory_embeddings").columnDefinition).map(words))
    }

    private func record(_ number: Int, text: String? = nil) throws -> MemoryRecord {
        try MemoryRecord(
            id: "m\(number)", text: text ?? "text \(number)", namespace: number % 10 == 0 ? "other" : "one")
    }

    /// The ids by the plan that walks through the index, which must trust its result.
    private func walk(
        _ text: String, _ database: PostgresMemoryDatabase, filter: MemoryFilter = filter, matches: Int
    ) async throws -> [String] {
        let plan = SearchPlan.approximate(candidates: 200, scanLimit: 4096, matches: matches)
        let statement = database.sql.semanticQuery(
            try await database.embedding(of: text), filter: filter, plan: plan, threshold: nil,
            page: try PageRequest(limit: 100))
        let result = try await database.ask(statement.sql, statement.parameters)
        #expect(try result[0].int("extra") == 200)
        let id = try result.column("id")
        return try result.rows.map { try $0.text(id) }
    }

    private func exact(_ text: String, _ database: PostgresMemoryDatabase) async throws -> [String] {
        let statement = database.sql.semanticQuery(
            try await database.embedding(of: text), filter: Self.filter, plan: .exact, threshold: nil,
            page: try PageRequest(limit: 100))
        let result = try await database.ask(statement.sql, statement.parameters)
        let id = try result.column("id")
        return try result.rows.map { try $0.text(id) }
    }

    private func move(_ limit: Int, _ database: PostgresMemoryDatabase) async throws -> Int {
        let statements = UnindexedVectors(vectors: database.space.table).move(limit: limit)
        return try await database.pool.pipeline(statements, retry: .repeatable, deadline: .soon)[1].affectedRows
    }

    private func waiting(_ database: PostgresMemoryDatabase) async throws -> Int {
        try await database.ask("SELECT count(*) FROM memory_embeddings WHERE embedding IS NULL").singleRow().int(0)
    }

    @Test func `a search finds what waits and what is indexed, each once`() async throws {
        try await withStore { database in
            let matches = Self.count * 9 / 10
            #expect(try await waiting(database) == Self.count)
            let truth = try await exact("query", database)
            // Nothing is indexed: the scan is exact.
            #expect(try await walk("query", database, matches: matches) == truth)
            for moved in [100, 500, Self.count] {
                while try await waiting(database) > Self.count - moved { _ = try await move(50, database) }
                let found = try await walk("query", database, matches: matches)
                #expect(Set(found).count == 100)
                #expect(Set(found.prefix(10)).intersection(truth.prefix(10)).count >= 9)
                #expect(try await exact("query", database) == truth)
            }
            #expect(try await waiting(database) == 0)
        }
    }

    @Test func `searches during the moves miss nothing`() async throws {
        try await withStore(count: 900) { database in
            try await withThrowingTaskGroup { group in
                group.addTask { try await database.indexWaiting() }
                for worker in 0..<3 {
                    group.addTask {
                        for step in 0..<12 {
                            let number = (worker * 300 + step * 23) * 10 / 9 % 900 / 10 * 10 + 1
                            let found = try await self.walk("text \(number)", database, matches: 810)
                            #expect(found.first == "m\(number)")
                            #expect(Set(found).count == found.count)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await waiting(database) == 0)
            #expect(database.unindexed.load(ordering: .relaxed) == 0)
        }
    }

    @Test func `replacing, changing and deleting what waits`() async throws {
        try await withStore(count: 300) { database in
            _ = try await move(100, database)
            // Some of these are indexed, some wait.
            for number in [1, 251] {
                _ = try await database.add([try record(number, text: "zebra \(number)")])
                #expect(
                    try await database.update([
                        RecordUpdate(id: "m\(number + 1)", changes: try RecordChanges(text: "lion \(number)"))
                    ]) == 1)
                #expect(try await database.delete(["m\(number + 2)"]) == 1)
            }
            for _ in 0...1 {
                for number in [1, 251] {
                    #expect(try await walk("zebra \(number)", database, matches: 268).first == "m\(number)")
                    #expect(try await walk("lion \(number)", database, matches: 268).first == "m\(number + 1)")
                    #expect(
                        try await !walk("text \(number + 2)", database, matches: 268).contains("m\(number + 2)"))
                }
                let rows = try await database.ask(
                    """
                    SELECT count(*), count(*) FILTER (WHERE (embedding IS NULL) = (unindexed IS NULL)) \
                    FROM memory_embeddings
                    """
                ).singleRow()
                #expect(try rows.int(0) == 298 && rows.int(1) == 0)
                try await database.indexWaiting()
            }
        }
    }

    @Test func `a vector that an older server has written counts once`() async throws {
        try await withStore(count: 300) { database in
            _ = try await database.ask(
                "UPDATE memory_embeddings SET embedding = unindexed WHERE number IN (SELECT number FROM memories WHERE id < 'm2')"
            )
            let found = try await walk("text 101", database, matches: 270)
            #expect(found.first == "m101")
            #expect(Set(found).count == found.count)
            try await database.indexWaiting()
            #expect(try await walk("text 101", database, matches: 270).first == "m101")
        }
    }

    @Test func `a killed move changes nothing, and only one server moves`() async throws {
        try await withStore(count: 300) { database in
            let statements = UnindexedVectors(vectors: database.space.table).move(limit: 50)
            let whole = try await exact("query", database)
            await #expect(throws: PostgresError.self) {
                try await database.pool.withConnection(deadline: .soon) { connection in
                    _ = try await connection.pipeline([PostgresStatement("BEGIN")] + statements, deadline: .soon)
                    // Another server does not wait for the one that moves.
                    #expect(try await move(50, database) == 0)
                    let pid = try await connection.query(PostgresStatement("SELECT pg_backend_pid()"), deadline: .soon)
                        .singleRow().int(0)
                    try await TestStore.administer("SELECT pg_terminate_backend(\(pid))")
                    try await connection.query(PostgresStatement("COMMIT"), deadline: .soon)
                }
            }
            #expect(try await waiting(database) == 300)
            #expect(try await exact("query", database) == whole)
            try await database.indexWaiting()
            #expect(try await waiting(database) == 0)
        }
    }

    @Test func `beyond the limit each writer inserts into the index`() async throws {
        // Room for 400 vectors of 256 dimensions.
        try await withStore(unindexedBytes: 400 * 1024, count: 900) { database in
            let waits = try await waiting(database)
            #expect(waits == 600)
            #expect(try await walk("text 7", database, matches: 810).first == "m7")
            #expect(try await walk("text 807", database, matches: 810).first == "m807")
        }
    }

    @Test func `the plans read what waits by its index`() async throws {
        try await withStore(count: 300) { database in
            // Statistics of a time at which everything waited.
            _ = try await database.ask("ANALYZE memory_embeddings")
            for filter in [Self.filter, .everything] {
                let statement = database.sql.semanticQuery(
                    try await database.embedding(of: "query"), filter: filter,
                    plan: .approximate(candidates: 100, scanLimit: 4096, matches: 300), threshold: nil,
                    page: try PageRequest())
                let rows = try await database.ask("EXPLAIN \(statement.sql)", statement.parameters)
                let plan = try rows.rows.map { try $0.text(0) }.joined(separator: "\n")
                #expect(plan.contains("memory_embeddings_unindexed"))
                #expect(plan.contains("memory_embeddings_hnsw"))
                #expect(!plan.contains("Seq Scan on memory_embeddings"))
            }
        }
    }

    @Test func `a move keeps the codes`() async throws {
        try await withStore(count: 300) { database in
            _ = try await database.add(
                try (0..<50).map { try MemoryRecord(id: "u\($0)", text: "mine \($0)", userID: "me") })
            let codes = "SELECT string_agg(ctid || id || bits, ' ' ORDER BY id) FROM memory_embeddings_codes"
            let before = try await database.ask(codes).singleRow().text(0)
            try await database.indexWaiting()
            #expect(try await database.ask(codes).singleRow().text(0) == before)
            #expect(before.split(separator: " ").count == 50)
        }
    }

    @Test func `a store of an older release is changed at the start`() async throws {
        try await TestStore.withSchema { schema in
            let old = try TestStore.database(schema: schema)
            try await old.prepare()
            _ = try await old.add(try (0..<20).map { try record($0) })
            try await old.indexWaiting()
            _ = try await old.ask("ALTER TABLE memory_embeddings DROP COLUMN unindexed")
            _ = try await old.ask("DROP INDEX IF EXISTS memory_embeddings_unindexed")
            // A server whose user may not change the table.
            var space = old.space
            space.hasUnindexed = false
            old.settle(on: space)
            _ = try await old.add([try record(20)])
            let new = try TestStore.database(schema: schema)
            try await new.prepare()
            #expect(new.space.hasUnindexed)
            _ = try await new.add([try record(21)])
            #expect(try await waiting(new) == 1)
            try await old.findUnindexedColumn()
            for database in [old, new] {
                let page = try await database.search(
                    SearchQuery(
                        text: "text 21", ranking: .semantic(distanceThreshold: nil), filter: .everything,
                        page: PageRequest(limit: 3)))
                #expect(page.items.first?.record.id == "m21")
                #expect(page.total == 22)
                await database.close()
            }
        }
    }
}
