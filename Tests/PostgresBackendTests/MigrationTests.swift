import AgentMemory
import Migrations
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct MigrationTests {
    private func migrator(_ schema: String, _ migrations: [Migration] = Migration.all) throws -> Migrator {
        try Migrator(
            databaseURL: try TestStore.directURL(), schema: schema, logger: TestStore.logger,
            migrations: migrations)
    }

    private static let first = Migration(number: 1, name: "0001_first", sql: "CREATE TABLE a (x vector)")
    private static let second = Migration(number: 2, name: "0002_second", sql: "CREATE TABLE b (y bigint)")

    @Test func `the files are numbered in their order`() {
        let numbers = Migration.all.map(\.number)
        #expect(numbers.first == 1)
        #expect(numbers == Set(numbers).sorted())
        #expect(Migration.all.allSatisfy { !$0.sql.isEmpty })
    }

    @Test func `replicas that start at once take turns`() async throws {
        try await TestStore.withSchema { schema in
            let applied = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<4 { group.addTask { try await migrator(schema).up() } }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(applied == Migration.all.map(\.name))
            #expect(try await migrator(schema).up() == [])
        }
    }

    @Test func `a dry run and a status change nothing`() async throws {
        try await TestStore.withSchema { schema in
            let migrator = try migrator(schema, [Self.first, Self.second])
            #expect(try await migrator.dryRun() == [Self.first, Self.second])
            #expect(try await migrator.status().map(\.state) == [.pending, .pending])
            #expect(try await self.migrator(schema, [Self.first]).up() == ["0001_first"])
            #expect(try await migrator.dryRun() == [Self.second])
            let status = try await migrator.status()
            #expect(status.map(\.state) == [.applied, .pending])
            #expect(status[0].appliedAt != nil)
        }
    }

    @Test func `a changed file is refused`() async throws {
        try await TestStore.withSchema { schema in
            try await migrator(schema, [Self.first]).up()
            let changed = Migration(number: 1, name: "0001_first", sql: "CREATE TABLE a (x int)")
            let error = await #expect(throws: MemoryError.self) {
                try await migrator(schema, [changed, Self.second]).up()
            }
            #expect(error?.code == .misconfigured)
            #expect(error?.message.contains("0001_first") == true)
        }
    }

    @Test func `a newer database is refused`() async throws {
        try await TestStore.withSchema { schema in
            try await migrator(schema, [Self.first, Self.second]).up()
            let error = await #expect(throws: MemoryError.self) { try await migrator(schema, [Self.first]).up() }
            #expect(error?.code == .misconfigured)
            #expect(error?.message.contains("newer") == true)
        }
    }

    @Test func `a failed file leaves nothing behind`() async throws {
        try await TestStore.withSchema { schema in
            let broken = Migration(number: 2, name: "0002_broken", sql: "CREATE TABLE b (y bigint); SELECT 1 / 0")
            let error = await #expect(throws: MemoryError.self) {
                try await migrator(schema, [Self.first, broken]).up()
            }
            #expect(error?.message.contains("0002_broken") == true)
            #expect(error?.message.contains("0001_first") == true)
            let repaired = try migrator(schema, [Self.first, Self.second])
            #expect(try await repaired.up() == ["0002_second"])
        }
    }

    @Test func `a file may opt out of its transaction`() async throws {
        try await TestStore.withSchema { schema in
            let concurrent = Migration(
                number: 3, name: "0003_index", sql: "-- migrate: no transaction\nCREATE INDEX CONCURRENTLY b_y ON b (y)"
            )
            let migrator = try migrator(schema, [Self.first, Self.second, concurrent])
            #expect(try await migrator.up().count == 3)
        }
    }

    @Test(arguments: ["", "1a", "a-b", "a\"b", "pg_x", String(repeating: "x", count: 64)])
    func `bad schema names are refused`(_ name: String) {
        #expect(throws: MemoryError.self) { try migrator(name) }
    }

    @Test func `without auto migrate an old database is refused`() async throws {
        try await TestStore.withSchema { schema in
            let database = try TestStore.database(schema: schema, autoMigrate: false)
            let error = await #expect(throws: MemoryError.self) { try await database.prepare() }
            #expect(error?.code == .misconfigured)
            try await migrator(schema).up()
            try await database.prepare()
            await database.close()
        }
    }
}
