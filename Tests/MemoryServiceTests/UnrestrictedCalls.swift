import AgentMemory
import MemoryService

// The use cases as they are called where there is no access control, for the tests that are not
// about it.

extension LongTermMemory {
    @discardableResult
    func create(_ records: [MemoryRecord], deduplicate: Bool) async throws -> [String] {
        try await create(records, deduplicate: deduplicate, for: .unrestricted)
    }

    func search(_ search: MemorySearch) async throws -> FoundMemories {
        try await self.search(search, for: .unrestricted)
    }

    func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await list(query, for: .unrestricted)
    }

    func count(_ filter: MemoryFilter) async throws -> Int {
        try await count(filter, for: .unrestricted)
    }

    func record(id: String) async throws -> MemoryRecord {
        try await record(id: id, for: .unrestricted)
    }

    func edit(
        id: String, _ changes: (Timestamp) throws(MemoryError) -> RecordChanges
    ) async throws -> MemoryRecord {
        try await edit(id: id, for: .unrestricted, changes)
    }

    func delete(ids: [String]) async throws -> Int {
        try await delete(ids: ids, for: .unrestricted)
    }
}

extension WorkingMemorySessions {
    func session(
        _ selector: SessionSelector, recentMessages: Int? = nil, budget: ContextBudget? = nil
    ) async throws -> View {
        try await session(selector, recentMessages: recentMessages, budget: budget, for: .unrestricted)
    }

    func put(_ put: SessionPut, budget: ContextBudget? = nil) async throws -> View {
        try await self.put(put, budget: budget, for: .unrestricted)
    }

    func append(_ messages: [SessionMessage], to key: SessionKey) async throws -> StoredSession {
        try await append(messages, to: key, for: .unrestricted)
    }

    func delete(_ selector: SessionSelector, condition: WriteCondition = .none) async throws {
        try await delete(selector, condition: condition, for: .unrestricted)
    }
}
