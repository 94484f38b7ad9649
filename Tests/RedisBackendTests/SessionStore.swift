import AgentMemory
import Logging
import RedisDriver
import TestSupport

@testable import RedisBackend

extension TestStore {
    var sessionIndex: String { "\(name)_sessions" }
    var sessionPrefix: String { "\(name):wm" }

    func sessions(
        _ change: (inout RedisWorkingMemoryStore.Configuration) -> Void = { _ in },
        server: (inout RedisDatabase.Configuration) -> Void = { _ in }
    ) throws -> RedisWorkingMemoryStore {
        var configuration = RedisWorkingMemoryStore.Configuration()
        configuration.indexName = sessionIndex
        configuration.keyPrefix = sessionPrefix
        change(&configuration)
        return try RedisWorkingMemoryStore(
            database: self.server(server), configuration: configuration, logger: Logger(label: "test"))
    }

    /// Runs `body` with a prepared store of sessions over this one.
    func withSessions(_ body: (RedisWorkingMemoryStore) async throws -> Void) async throws {
        let sessions = try sessions()
        try await withClosing {
            try await sessions.prepare()
            try await body(sessions)
        } close: {
            await sessions.close()
        }
    }

    /// Writes a document as another program would.
    func setDocument(_ key: String, _ document: JSONValue) async throws {
        try await client.send(RedisCommand("JSON.SET", key, "$", document.jsonText))
    }

    func document(_ key: String) async throws -> JSONValue? {
        guard let text = try await client.send(RedisCommand("JSON.GET", key, ".")).string else { return nil }
        return try JSONValue(parsing: text)
    }
}

/// A session with messages `m1`, `m2`, ...
func session(_ key: SessionKey, messages: Int = 1, at date: Timestamp = .now()) throws -> WorkingMemory {
    WorkingMemory(
        key: key,
        messages: try (1...max(1, messages)).prefix(messages).map {
            try SessionMessage(id: "m\($0)", role: "user", content: "message \($0)", createdAt: date)
        },
        createdAt: date, updatedAt: date, lastAccessed: date)
}
