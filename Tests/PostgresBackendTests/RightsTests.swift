import AgentMemory
import Foundation
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// Database users that may do as much as the documentation says, and no more. One after the other:
/// they make many tables in a database that other tests use.
@Suite(.serialized, .tags(.store)) struct RightsTests {
    private func migrate(_ schema: String) async throws {
        let owner = try TestStore.database(schema: schema)
        try await owner.prepare()
        await owner.close()
    }

    private func allow(_ role: String, _ schema: String) async throws {
        try await TestStore.administer(
            """
            GRANT USAGE ON SCHEMA \(schema) TO \(role);
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \(schema) TO \(role)
            """)
    }

    /// Everything that a server does with its stores.
    private func useAll(schema: String, url: String, autoMigrate: Bool) async throws {
        let database = try TestStore.shared(schema: schema, url: url, autoMigrate: autoMigrate)
        let memories = try PostgresMemoryDatabase(
            database: database, embedder: TestEmbedder(dimensions: 64), logger: TestStore.logger)
        let sessions = PostgresWorkingMemoryStore(database: database)
        let jobs = PostgresJobQueue(database: database)
        try await memories.prepare()
        let records = try (0..<20).map { try MemoryRecord(id: "r\($0)", text: "text \($0)") }
        #expect(try await memories.add(records).count == 20)
        #expect(try await memories.add([MemoryRecord(id: "r1", text: "another text")]) == ["r1"])
        #expect(try await memories.count(.everything) == 20)
        #expect(try await memories.list(ListQuery(page: PageRequest())).total == 20)
        #expect(try await memories.delete(["r2"]) == 1)
        let key = try SessionKey(sessionID: "s", userID: "u")
        let revision = try await sessions.create(Sample.session(key, try Sample.messages(0..<3)))
        try await sessions.write(
            Sample.session(key, try Sample.messages(1..<4), step: 1), expecting: .revision(revision.number),
            writerStamp: nil)
        _ = try await sessions.append(SessionAppend([try Sample.message("m9")], at: .now()), to: key)
        try await sessions.markPersisted(memoryIDs: [], messageIDs: ["m9"], at: .now(), in: key)
        #expect(try await sessions.delete(key, expectedRevision: nil))
        try await sessions.sweep()
        try await jobs.enqueue([NewJob(kind: "k", payload: [:]), NewJob(kind: "k", payload: [:])])
        let leased = try await jobs.lease(kinds: ["k"], limit: 2, for: .seconds(100))
        #expect(try await jobs.extend(leased[0], for: .seconds(100)))
        #expect(try await jobs.complete(leased[0]))
        #expect(try await jobs.bury(leased[1], reason: "r"))
        #expect(try await jobs.requeue(nil) == 1)
        #expect(await (memories.health() + sessions.health() + jobs.health()).filter { !$0.isOK } == [])
        await memories.close()
        await sessions.close()
        await jobs.close()
    }

    @Test(arguments: [true, false])
    func `reading and writing the tables is enough for a server`(_ autoMigrate: Bool) async throws {
        try await TestStore.withRole { schema, role, url in
            try await migrate(schema)
            try await allow(role, schema)
            try await useAll(schema: schema, url: url, autoMigrate: autoMigrate)
        }
    }

    @Test func `the owner of a schema needs nothing on the database`() async throws {
        try await TestStore.withRole { schema, role, url in
            try await TestStore.administer("CREATE SCHEMA \(schema) AUTHORIZATION \(role)")
            try await useAll(schema: schema, url: url, autoMigrate: true)
        }
    }

    @Test func `making tables in a schema of another is enough`() async throws {
        try await TestStore.withRole { schema, role, url in
            try await TestStore.administer(
                "CREATE SCHEMA \(schema); GRANT USAGE, CREATE ON SCHEMA \(schema) TO \(role)")
            try await useAll(schema: schema, url: url, autoMigrate: true)
        }
    }

    /// A server of another metric makes its own index, as the owner of the vectors' table.
    @Test func `the owner of the vectors needs create for another index`() async throws {
        try await TestStore.withRole { schema, role, url in
            try await migrate(schema)
            try await allow(role, schema)
            let database = try TestStore.database(schema: schema, metric: .l2, url: url, autoMigrate: false)
            #expect(try await refusal { try await database.prepare() }.contains("agent-memory migrate up"))
            #expect(await database.health().last?.reason?.contains("agent-memory migrate up") == true)
            try await TestStore.administer(
                """
                ALTER TABLE \(schema).memory_embeddings OWNER TO \(role); GRANT CREATE ON SCHEMA \(schema) TO \(role)
                """)
            try await database.prepare()
            #expect(try await database.vectorIndexes().count == 1)
            await database.close()
        }
    }

    @Test(arguments: [
        ("REVOKE USAGE ON SCHEMA %", "USAGE on the schema"),
        ("REVOKE INSERT ON %.memories", "INSERT on the table memories"),
        ("REVOKE SELECT, DELETE ON %.jobs", "SELECT, DELETE on the table jobs"),
        ("REVOKE UPDATE ON %.session_messages", "UPDATE on the table session_messages"),
        ("REVOKE SELECT ON %.schema_migrations", "schema_migrations"),
    ])
    func `a missing right stops the start and is named`(_ revoke: String, _ name: String) async throws {
        try await TestStore.withRole { schema, role, url in
            try await migrate(schema)
            try await allow(role, schema)
            try await TestStore.administer("\(revoke.replacing("%", with: schema)) FROM \(role)")
            let database = try TestStore.database(schema: schema, url: url, autoMigrate: false)
            #expect(try await refusal { try await database.prepare() }.contains(name))
            #expect(await database.health().allSatisfy { !$0.isOK })
            #expect(await database.health()[0].reason?.contains(name) == true)
            await database.close()
        }
    }

    @Test func `a right that is lost later is said by readiness`() async throws {
        try await TestStore.withRole { schema, role, url in
            try await migrate(schema)
            try await allow(role, schema)
            let database = try TestStore.database(schema: schema, url: url, autoMigrate: false)
            try await database.prepare()
            try await TestStore.administer("REVOKE DELETE ON \(schema).sessions FROM \(role)")
            #expect(await database.health()[0].reason?.contains("DELETE on the table sessions") == true)
            try await TestStore.administer("REVOKE INSERT ON \(schema).memories FROM \(role)")
            let code = await failureCode { try await database.add([MemoryRecord(id: "a", text: "a")]) }
            #expect(code == .storeUnavailable)
            await database.close()
        }
    }

    @Test func `an empty schema that may not be filled is refused in words`() async throws {
        try await TestStore.withRole { schema, role, url in
            let nothing = try TestStore.database(schema: schema, url: url)
            #expect(try await refusal { try await nothing.prepare() }.contains("CREATE SCHEMA"))
            await nothing.close()
            try await TestStore.administer("CREATE SCHEMA \(schema); GRANT USAGE ON SCHEMA \(schema) TO \(role)")
            let empty = try TestStore.database(schema: schema, url: url)
            #expect(try await refusal { try await empty.prepare() }.contains("permission denied for schema"))
            await empty.close()
        }
    }

    @Test func `an extension that may not be used is said`() async throws {
        try await TestStore.withRole { _, role, _ in
            try await TestStore.administer("CREATE DATABASE \(role)")
            try await TestStore.administer(
                """
                CREATE SCHEMA extensions; CREATE EXTENSION vector WITH SCHEMA extensions;
                CREATE SCHEMA here AUTHORIZATION \(role)
                """, database: role)
            let url = try SharedServer.postgresURL(user: role, database: role)
            let database = try TestStore.database(schema: "here", url: url)
            let text = try await refusal { try await database.prepare() }
            #expect(text.contains("USAGE on the schema extensions"))
            #expect(await database.health()[0].reason?.contains("extensions") == true)
            try await TestStore.administer("GRANT USAGE ON SCHEMA extensions TO \(role)", database: role)
            try await useAll(schema: "here", url: url, autoMigrate: true)
            await database.close()
            try await TestStore.administer("DROP DATABASE \(role) WITH (FORCE)")
        }
    }

    /// The message of the refusal.
    private func refusal(_ body: () async throws -> Void) async throws -> String {
        do {
            try await body()
        } catch let error as MemoryError {
            #expect(error.code == .misconfigured, "\(error)")
            return error.message
        }
        Issue.record("it was not refused")
        return ""
    }
}
