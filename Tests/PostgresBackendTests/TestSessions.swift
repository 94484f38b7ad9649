import AgentMemory
import PostgresDriver
import TestServices
import TestSupport

@testable import PostgresBackend

extension TestStore {
    static func shared(
        schema: String, poolSize: Int = 8, url: String? = nil, autoMigrate: Bool = true,
        timeout: Duration = .seconds(60)
    ) throws -> PostgresDatabase {
        var configuration = try configuration(schema: schema, url: url, autoMigrate: autoMigrate).database
        configuration.poolSize = poolSize
        configuration.timeout = timeout
        return try PostgresDatabase(configuration: configuration, logger: logger)
    }

    /// A prepared store of sessions in a schema of its own.
    static func withSessions<Value>(
        _ body: (PostgresWorkingMemoryStore) async throws -> sending Value
    ) async throws -> sending Value {
        try await withSchema { schema in
            let store = PostgresWorkingMemoryStore(database: try shared(schema: schema))
            try await store.prepare()
            let value = try await body(store)
            await store.close()
            return value
        }
    }

    /// A prepared queue in a schema of its own, and a second one as another process would have it.
    static func withQueues<Value>(
        _ body: (PostgresJobQueue, PostgresJobQueue) async throws -> sending Value
    ) async throws -> sending Value {
        try await withSchema { schema in
            let one = PostgresJobQueue(database: try shared(schema: schema))
            let other = PostgresJobQueue(database: try shared(schema: schema))
            try await one.prepare()
            try await other.prepare()
            let value = try await body(one, other)
            await one.close()
            await other.close()
            return value
        }
    }
}

extension PostgresDatabase {
    /// The answer to a statement of the test's own.
    @discardableResult
    func ask(_ sql: String, _ parameters: [PostgresValue] = []) async throws -> PostgresResult {
        try await pool.query(PostgresStatement(sql, parameters), retry: .repeatable, deadline: .soon)
    }
}

/// Values for tests of sessions.
enum Sample {
    static let start = Timestamp(microseconds: 1_784_732_661_551_024)!

    static func message(_ id: String, _ content: String? = nil, persistedAt: Timestamp? = nil) throws -> SessionMessage
    {
        try SessionMessage(
            id: id, role: "user", content: content ?? "content of \(id)", createdAt: start, persistedAt: persistedAt)
    }

    static func messages(_ range: Range<Int>) throws -> [SessionMessage] { try range.map { try message("m\($0)") } }

    static func memory(_ id: String, persistedAt: Timestamp? = nil) throws -> SessionMemory {
        SessionMemory(
            try MemoryRecord(id: id, text: "memory \(id)", createdAt: start, lastAccessed: start, updatedAt: start),
            givenLists: [], persistedAt: persistedAt)
    }

    static func session(
        _ key: SessionKey, _ messages: [SessionMessage] = [], memories: [SessionMemory] = [], ttlSeconds: Int? = nil,
        step: Int64 = 0
    ) -> WorkingMemory {
        let at = Timestamp(microseconds: start.microseconds + step)!
        return WorkingMemory(
            key: key, messages: messages, memories: memories, ttlSeconds: ttlSeconds, createdAt: start, updatedAt: at,
            lastAccessed: at)
    }
}

extension PostgresWorkingMemoryStore {
    /// Creates a session that must not be there.
    @discardableResult
    func create(_ memory: WorkingMemory) async throws -> SessionRevision {
        try await write(memory, expecting: .absent, writerStamp: nil)
    }
}
