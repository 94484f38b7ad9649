import AgentMemory
import BackendHarnesses
import Logging
import MemoryConformance
import PostgresBackend
import PostgresDriver
import TestServices
import TestSupport
import Testing

/// The step after the migrations that distributes tables, on a server with ``CitusStandIn``.
@Suite(.serialized, .tags(.store)) struct DistributionTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private struct Server {
        let url: String
        let pool: PostgresPool

        func migrate(_ schema: String, _ layout: ClusterLayout?) async throws {
            try await Migrator(databaseURL: url, schema: schema, layout: layout, logger: logger).up()
        }

        func database(_ schema: String, _ layout: ClusterLayout?) throws -> PostgresMemoryDatabase {
            var configuration = ClusterConformanceTests.configuration(url, layout ?? .placed)
            configuration.database.layout = layout
            configuration.database.schema = schema
            return try PostgresMemoryDatabase(
                configuration: configuration, embedder: TestEmbedder(model: "test", dimensions: 16), logger: logger)
        }

        func run(_ sql: String) async throws {
            try await pool.withConnection(deadline: .soon) { try await $0.script(sql, deadline: .soon) }
        }

        func ask(_ sql: String) async throws -> [String] {
            try await pool.query(PostgresStatement(sql), retry: .repeatable, deadline: .soon).rows.map {
                try $0.text(0)
            }
        }
    }

    private static func withServer(_ body: (Server) async throws -> Void) async throws {
        try await OwnServer.run(.postgres) { server in
            try await CitusStandIn.install(on: server)
            let pool = try PostgresPool(.init(connection: .init(connectionString: server.url), maximumConnections: 2))
            defer { pool.close() }
            try await body(Server(url: server.url, pool: pool))
        }
    }

    /// The message of what `body` throws; empty if it throws nothing.
    private static func refusal(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return ""
        } catch let error as MemoryError {
            return error.message
        } catch {
            return "\(error)"
        }
    }

    @Test func `a run that was interrupted at any step is repeated`() async throws {
        try await Self.withServer { server in
            // Fails as a crash before one of the calls would.
            try await server.run(
                """
                CREATE TABLE public.crash (calls int); INSERT INTO public.crash VALUES (-1);
                CREATE FUNCTION public.crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF (SELECT calls FROM public.crash) = (SELECT count(*) FROM public.pg_dist_partition) THEN
                        RAISE 'interrupted';
                    END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER crash BEFORE INSERT ON public.pg_dist_partition FOR EACH ROW EXECUTE FUNCTION public.crash()
                """)
            for (layout, tables) in [(ClusterLayout.placed, 7), (.spread, 3)] {
                for step in 0..<tables {
                    let schema = "\(layout.rawValue)_\(step)"
                    try await server.run(
                        "UPDATE public.crash SET calls = \(step) + (SELECT count(*) FROM public.pg_dist_partition)")
                    #expect(await Self.refusal { try await server.migrate(schema, layout) } != "")
                    try await server.run("UPDATE public.crash SET calls = -1")
                    try await server.migrate(schema, layout)
                    let database = try server.database(schema, layout)
                    try await database.prepare()
                    _ = try await database.add([MemoryRecord(id: "a", text: "one two")], within: .everything)
                    #expect(try await database.count(.everything) == 1)
                    #expect(try await database.delete(["a", "b"], within: .everything) == 1)
                    await database.close()
                    let found = try await server.ask(
                        "SELECT logicalrelid::text FROM pg_dist_partition WHERE logicalrelid::text LIKE '\(schema).%'")
                    #expect(found.count == tables, "\(layout) \(step): \(found)")
                }
            }
            // Every unique constraint and every key to another table holds the column by which its
            // table is distributed.
            let wrong = try await server.ask(
                """
                SELECT k.conrelid::regclass || ' ' || k.conname FROM pg_constraint k
                JOIN pg_dist_partition d ON d.logicalrelid = k.conrelid AND d.partkey IS NOT NULL
                WHERE k.contype IN ('p', 'u', 'x', 'f') AND NOT EXISTS (SELECT 1 FROM pg_attribute a
                WHERE a.attrelid = k.conrelid AND a.attname = d.partkey AND a.attnum = ANY (k.conkey))
                """)
            #expect(wrong.isEmpty, "\(wrong)")
        }
    }

    @Test func `what does not fit the settings is refused`() async throws {
        try await Self.withServer { server in
            let plain = try server.database("plain", nil)
            try await plain.prepare()
            _ = try await plain.add([MemoryRecord(id: "a", text: "one two")], within: .everything)
            await plain.close()
            for layout in ClusterLayout.allCases {
                #expect(await Self.refusal { try await server.migrate("plain", layout) }.contains("not distributed"))
            }
            // An empty one is distributed, whatever servers have made in it.
            let empty = try server.database("emptied", nil)
            try await empty.prepare()
            await empty.close()
            try await server.migrate("emptied", .placed)
            #expect(await Self.refusal { try await server.migrate("emptied", .spread) }.contains("are placed"))
            #expect(await Self.refusal { try await server.migrate("emptied", nil) }.contains("are placed"))

            var configuration = ClusterConformanceTests.configuration(server.url, .spread)
            configuration.history = .standard
            let refused = configuration
            let message = await Self.refusal {
                _ = try PostgresMemoryDatabase(
                    configuration: refused, embedder: TestEmbedder(model: "test", dimensions: 16), logger: Self.logger)
            }
            #expect(message.contains("history"))
            try await server.migrate("divided", .spread)
            let spread = try server.database("divided", .spread)
            #expect(await Self.refusal { _ = try await spread.beginReembedding() }.contains("one model"))
            await spread.close()

            try await server.run(
                "CREATE OR REPLACE FUNCTION public.citus_version() RETURNS text LANGUAGE sql AS $$ SELECT 'Citus 11.3.0 on x' $$"
            )
            #expect(await Self.refusal { try await server.migrate("other", .placed) }.contains("Citus 12"))
            try await server.run("DROP FUNCTION public.citus_version()")
            #expect(
                await Self.refusal { try await server.migrate("other", .placed) }.contains("CREATE EXTENSION citus"))
        }
    }
}
