import AgentMemory
import Foundation
import PostgresDriver
import Synchronization
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// A primary and a standby: reads from the standby, and the standby that takes over.
@Suite(.serialized, .tags(.store)) struct StandbyTests {
    /// What writers under load have been told.
    private final class Load: Sendable {
        let acknowledged = Mutex<[String]>([])
        let isOver = Atomic(false)
    }

    private func administer(_ sql: String, at url: String) async throws {
        let pool = try PostgresPool(.init(connection: .init(connectionString: url), maximumConnections: 1))
        defer { pool.close() }
        try await pool.withConnection(deadline: .soon) { try await $0.script(sql, deadline: .soon) }
    }

    private func store(_ url: String, readURL: String? = nil) throws -> PostgresMemoryDatabase {
        var configuration = try TestStore.configuration(schema: "here", url: url)
        configuration.database.timeout = .seconds(5)
        configuration.database.readURL = readURL
        return try PostgresMemoryDatabase(
            configuration: configuration, embedder: TestEmbedder(dimensions: 64), logger: TestStore.logger)
    }

    /// What a request with the header reads.
    private func count(_ database: PostgresMemoryDatabase, at position: String?) async throws -> Int {
        try await ReadPosition.$current.withValue(ReadPosition(required: position)) {
            try await CheckedDatabase(database).count(.everything)
        }
    }

    /// Where the reads of the store's tables went so far, by the server that has counted them.
    private func hasRead(_ url: String) async throws -> Bool {
        let pool = try PostgresPool(.init(connection: .init(connectionString: url), maximumConnections: 1))
        defer { pool.close() }
        return try await pool.query(
            PostgresStatement(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'agent-memory' AND query LIKE '%memory_totals%' AND pid <> pg_backend_pid())"
            ), retry: .repeatable, deadline: .soon
        ).singleRow().bool(0)
    }

    @Test(.timeLimit(.minutes(1))) func `a standby answers what it has seen, and the primary all else`() async throws {
        try await OwnServer.run(.postgres) { primary in
            try await primary.withStandby { standby in
                let database = try store(primary.url, readURL: standby.url)
                try await withClosing {
                    try await database.prepare()
                    let writing = ReadPosition(required: nil)
                    _ = try await ReadPosition.$current.withValue(writing) {
                        try await database.add([try MemoryRecord(id: "a", text: "a")])
                    }
                    #expect(writing.hasWritten)
                    let first = try await database.position()
                    #expect(database.isPosition(first))
                    // Without a position the primary is asked.
                    #expect(try await count(database, at: nil) == 1)
                    #expect(try await !hasRead(standby.url))
                    try await eventually {
                        // The count is right at any time, on either server.
                        guard try await count(database, at: first) == 1 else { return false }
                        return try await hasRead(standby.url)
                    }

                    // Behind: the primary answers.
                    try await administer("SELECT pg_wal_replay_pause()", at: standby.url)
                    _ = try await database.add([try MemoryRecord(id: "b", text: "b")])
                    let second = try await database.position()
                    #expect(try await count(database, at: second) == 2)
                    #expect(try await count(database, at: first) == 1)

                    // What has expired is not shown by a copy either.
                    _ = try await database.update([
                        RecordUpdate(id: "a", changes: try RecordChanges(expiresAt: .set(Timestamp.now())))
                    ])
                    try await administer("SELECT pg_wal_replay_resume()", at: standby.url)
                    let third = try await database.position()
                    try await eventually { try await count(database, at: third) == 1 }
                    #expect(try await count(database, at: first) == 1)
                    #expect(await database.health().map(\.component) == ["store", "index", "replica"])

                    // Down: the primary answers, and readiness says so.
                    try await standby.crash()
                    #expect(try await count(database, at: "0-0") == 1)
                    let health = await database.health()
                    #expect(health.filter { !$0.isOK } == [])
                    #expect(health.last?.warning?.contains("the primary answers") == true)
                } close: {
                    await database.close()
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `a standby that takes over has everything that was acknowledged`() async throws
    {
        try await OwnServer.run(.postgres, durable: true) { primary in
            try await primary.withStandby { standby in
                try await administer(
                    "ALTER SYSTEM SET synchronous_standby_names = '*'", at: primary.url)
                try await administer("SELECT pg_reload_conf()", at: primary.url)
                func address(_ url: String) throws -> String {
                    let parts = try #require(URLComponents(string: url))
                    return "\(try #require(parts.host)):\(try #require(parts.port))"
                }
                let url =
                    "postgresql://agent_memory@\(try address(primary.url)),\(try address(standby.url))/agent_memory"
                let database = try store(url)
                try await withClosing {
                    try await database.prepare()
                    let load = Load()
                    let duration = try await withThrowingTaskGroup(returning: Duration.self) { group in
                        for worker in 0..<3 {
                            group.addTask {
                                var number = 0
                                while !load.isOver.load(ordering: .relaxed) {
                                    number += 1
                                    let id = "w\(worker)-\(number)"
                                    // A failed write may have been done or not.
                                    if (try? await database.add([try MemoryRecord(id: id, text: id)])) != nil {
                                        load.acknowledged.withLock { $0.append(id) }
                                    }
                                }
                            }
                        }
                        try await eventually { load.acknowledged.withLock { $0.count > 30 } }
                        try await primary.crash()
                        let start = ContinuousClock.now
                        try await administer("SELECT pg_promote()", at: standby.url)
                        let before = load.acknowledged.withLock { $0.count }
                        try await eventually { load.acknowledged.withLock { $0.count > before } }
                        let duration = ContinuousClock.now - start
                        load.isOver.store(true, ordering: .relaxed)
                        try await group.waitForAll()
                        return duration
                    }
                    #expect(duration < .seconds(10))
                    let kept = try await database.ask("SELECT id FROM memories").rows.map { try $0.text(0) }
                    let lost = load.acknowledged.withLock { Set($0).subtracting(kept) }
                    #expect(lost.isEmpty)
                } close: {
                    await database.close()
                }
            }
        }
    }
}
