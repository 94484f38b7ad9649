import AgentMemory

/// A backend, used by a process that dies. A call of several records may come to an end with half
/// of them.
final class DyingBackend: MemoryVectorDatabase {
    private let database: KeepingDatabase
    private let death: Death

    init(_ database: KeepingDatabase, _ death: Death) {
        self.database = database
        self.death = death
    }

    var name: String { database.name }
    let capabilities = BackendCapabilities(textScorers: TextScorer.offered)

    func prepare() async throws {}
    func close() async {}
    func health() async -> [ComponentHealth] { [] }

    func add(_ records: [MemoryRecord]) async throws -> [String] {
        try await death.call {
            _ = try await self.database.add(Array(records.prefix(records.count / 2)))
        } _: {
            try await database.add(records)
        }
    }

    func update(_ updates: [RecordUpdate]) async throws -> Int {
        try await death.call {
            _ = try await self.database.update(Array(updates.prefix(updates.count / 2)))
        } _: {
            try await database.update(updates)
        }
    }

    func delete(_ ids: [String]) async throws -> Int {
        try await death.call {
            _ = try await self.database.delete(Array(ids.prefix(ids.count / 2)))
        } _: {
            try await database.delete(ids)
        }
    }

    func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        try await death.call { try await database.search(query) }
    }

    func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await death.call { try await database.list(query) }
    }

    func count(_ filter: MemoryFilter) async throws -> Int {
        try await death.call { try await database.count(filter) }
    }
}
