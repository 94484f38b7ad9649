import AgentMemory
import Foundation
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// What a server says and does while its database does not do all of its work.
@Suite(.serialized, .tags(.store)) struct AvailabilityTests {
    private func administer(_ sql: String, at url: String) async throws {
        let pool = try PostgresPool(.init(connection: .init(connectionString: url), maximumConnections: 1))
        defer { pool.close() }
        try await pool.withConnection(deadline: .soon) { connection in
            for statement in sql.split(separator: ";") {
                try await connection.script(String(statement), deadline: .soon)
            }
        }
    }

    @Test func `readiness proves a write`() async throws {
        try await TestStore.withRole { schema, role, url in
            try await TestStore.administer("CREATE SCHEMA \(schema) AUTHORIZATION \(role)")
            // A pooler's connections keep what the role had at their start.
            let database = try TestStore.shared(schema: schema, url: SharedServer.url(pastPooler: url) ?? url)
            let memories = try PostgresMemoryDatabase(
                database: database, embedder: TestEmbedder(dimensions: 64), logger: TestStore.logger)
            let sessions = PostgresWorkingMemoryStore(database: database)
            let jobs = PostgresJobQueue(database: database)
            func health() async -> [ComponentHealth] {
                await memories.health() + sessions.health() + jobs.health()
            }
            try await memories.prepare()
            for _ in 0..<20 { #expect(await health().filter { !$0.isOK } == []) }
            // The proofs do not pile up, and count for nothing.
            let proofs = try await database.ask("SELECT count(*) < 10 AND sum(records) = 0 FROM memory_totals")
            #expect(try proofs.singleRow().bool(0))

            // What new connections find, as they do at a standby.
            try await TestStore.administer("ALTER ROLE \(role) SET default_transaction_read_only = on")
            database.pool.reset()
            for component in await health() where component.component != "index" {
                #expect(component.reason?.hasPrefix("takes no writes: ") == true, "\(component)")
            }
            #expect(
                await failureCode { try await memories.add([MemoryRecord(id: "a", text: "a")]) } == .storeUnavailable)
            #expect(try await memories.count(.everything) == 0)

            // Nothing is restarted here: the connections to the server without writes were given
            // up.
            try await TestStore.administer("ALTER ROLE \(role) RESET default_transaction_read_only")
            #expect(try await memories.add([MemoryRecord(id: "a", text: "a")]) == ["a"])
            #expect(await health().filter { !$0.isOK } == [])
            await memories.close()
            await sessions.close()
            await jobs.close()
        }
    }

    @Test func `credentials stop a start and make a running server wait`() async throws {
        try await OwnServer.run(.postgres) { server in
            try await administer("CREATE ROLE someone LOGIN SUPERUSER PASSWORD 'hunter2'", at: server.url)
            try await requirePasswords(at: server.url)
            var components = try #require(URLComponents(string: server.url))
            components.user = "someone"
            let withoutPassword = try #require(components.string)
            components.password = "hunter2"
            let url = try #require(components.string)

            let running = try TestStore.database(schema: "here", url: url)
            try await running.prepare()
            try await administer(
                """
                ALTER ROLE someone PASSWORD 'hunter3'; \
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'someone'
                """, at: server.url)
            #expect(await failureCode { try await running.count(.everything) } == .storeUnavailable)
            #expect(await failureCode { try await running.prepare() } == .storeUnavailable)
            let reason = try #require(await running.health().first?.reason)
            #expect(reason.contains("password") && !reason.contains("hunter"))
            for wrong in [url, withoutPassword] {
                let starting = try TestStore.database(schema: "here", url: wrong)
                let error = await #expect(throws: MemoryError.self) { try await starting.prepare() }
                #expect(error?.code == .misconfigured)
                #expect(error?.message.contains("password") == true)
                #expect(error.map { !"\($0)".contains("hunter") } == true)
                await starting.close()
            }
            try await administer("ALTER ROLE someone PASSWORD 'hunter2'", at: server.url)
            #expect(try await running.count(.everything) == 0)
            await running.close()
        }
    }

    /// Lets the server ask everybody but the administrator for a password.
    private func requirePasswords(at url: String) async throws {
        let pool = try PostgresPool(.init(connection: .init(connectionString: url), maximumConnections: 1))
        defer { pool.close() }
        let file = try await pool.query(
            PostgresStatement("SELECT current_setting('hba_file')"), retry: .repeatable, deadline: .soon
        ).singleRow().text(0)
        try await pool.withConnection(deadline: .soon) { connection in
            try await connection.script(
                """
                COPY (SELECT unnest(ARRAY['host all agent_memory all trust', 'host all all all scram-sha-256'])) \
                TO '\(file)'
                """, deadline: .soon)
            try await connection.script("SELECT pg_reload_conf()", deadline: .soon)
        }
    }

    @Test func `a server prepares with one connection among those of the pool`() async throws {
        try await TestStore.withRole("CONNECTION LIMIT 1") { schema, role, url in
            try await TestStore.administer("CREATE SCHEMA \(schema) AUTHORIZATION \(role)")
            // A pooler takes the only connection for its own.
            let database = try TestStore.database(schema: schema, url: SharedServer.url(pastPooler: url) ?? url)
            async let early: [ComponentHealth] = database.health()
            try await database.prepare()
            _ = await early
            #expect(await database.health().filter { !$0.isOK } == [])
            let counts = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 { group.addTask { try await database.count(.everything) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(counts == Array(repeating: 0, count: 20))
            await database.close()
        }
    }

    @Test func `an index that went missing is made again`() async throws {
        try await TestStore.withDatabase { database in
            try await TestStore.administer(
                "DROP INDEX \(database.database.session.schema.quoted).\(database.space.indexName)")
            #expect(await database.health().last?.reason == "the vector index is missing")
            let upkeep = Task { try await database.run() }
            try await eventually { try await !database.vectorIndexes().isEmpty }
            upkeep.cancel()
            try await upkeep.value
        }
    }

    @Test func `a create has time for each of its records`() async throws {
        try await TestStore.withSchema { schema in
            let database = try TestStore.database(schema: schema, timeout: .milliseconds(600))
            try await database.prepare()
            _ = try await database.ask(
                """
                CREATE FUNCTION \(schema).nap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.03); \
                RETURN NEW; END $$
                """)
            _ = try await database.ask(
                "CREATE TRIGGER nap BEFORE INSERT ON memories FOR EACH ROW EXECUTE FUNCTION \(schema).nap()")
            let records = try (0..<40).map { try MemoryRecord(id: "r\($0)", text: "text \($0)") }
            #expect(try await database.add(records).count == 40)
            #expect(try await database.count(.everything) == 40)
            await database.close()
        }
    }

    @Test func `a fold of words may take longer than a call`() async throws {
        try await TestStore.withSchema { schema in
            let database = try TestStore.database(schema: schema)
            try await database.prepare()
            for number in 0..<10 { _ = try await database.add([MemoryRecord(id: "r\(number)", text: "green tea")]) }
            try await Self.onWordChanges(of: database, "PERFORM pg_sleep(1.2)")
            let hasty = try TestStore.database(schema: schema, timeout: .seconds(1))
            try await hasty.prepare()
            try await hasty.foldWords()
            #expect(try await database.ask("SELECT count(*) FROM memory_word_changes").singleRow().int(0) == 1)
            await hasty.close()
            await database.close()
        }
    }

    @Test func `upkeep that never succeeds does not keep the rest from being done`() async throws {
        try await TestStore.withDatabase { database in
            for number in 0..<10 { _ = try await database.add([MemoryRecord(id: "r\(number)", text: "green tea")]) }
            try await Self.onWordChanges(of: database, "RAISE EXCEPTION 'not now'")
            _ = try await database.ask("UPDATE memories SET metadata_terms = NULL")
            await #expect(throws: PostgresError.self) { try await database.foldWords() }
            let upkeep = Task { try await database.run() }
            try await eventually {
                try await database.ask("SELECT count(*) FROM memories WHERE metadata_terms IS NULL")
                    .singleRow().int(0) == 0
            }
            upkeep.cancel()
            try await upkeep.value
        }
    }

    /// Runs `work` whenever changes of words are deleted, which a fold does.
    private static func onWordChanges(of database: PostgresMemoryDatabase, _ work: String) async throws {
        let schema = database.database.session.schema.quoted
        try await TestStore.administer(
            """
            CREATE FUNCTION \(schema).meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \(work); RETURN NULL; END $$; \
            CREATE TRIGGER meddle AFTER DELETE ON \(schema).memory_word_changes \
            FOR EACH STATEMENT EXECUTE FUNCTION \(schema).meddle()
            """)
    }
}
