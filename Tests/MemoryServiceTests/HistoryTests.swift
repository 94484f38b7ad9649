import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import Testing

/// Rule H4, and histories as callers with limits see them.
@Suite struct HistoryTests {
    private func memory(keepsHistory: Bool = true) -> LongTermMemory {
        let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), keepsHistory: keepsHistory)
        return LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test")))
    }

    private func caller(_ namespace: String, _ rights: Caller.Rights = .all) -> Caller {
        Caller(subject: namespace, namespaces: [namespace], rights: rights)
    }

    private func code(_ work: () async throws -> Void) async -> MemoryError.Code? {
        do {
            try await work()
            return nil
        } catch {
            return (error as? MemoryError)?.code
        }
    }

    private let all = try? PageRequest(limit: 100)

    @Test func `a caller restores only what it reaches`() async throws {
        let memory = memory()
        let page = try #require(all)
        try await memory.create(
            [MemoryRecord(id: "a", text: "[1] one", namespace: "n")], deduplicate: false, for: caller("n"))
        _ = try await memory.delete(ids: ["a"], for: caller("n"))
        #expect(await code { _ = try await memory.history(of: "a", page: page, for: caller("m")) } == .notFound)
        #expect(await code { _ = try await memory.restore(id: "a", to: 1, for: caller("m")) } == .notFound)
        #expect(await code { _ = try await memory.restore(id: "a", to: 1, for: caller("n", .read)) } == .forbidden)
        #expect(try await memory.restore(id: "a", to: 1, for: caller("n"))?.text == "[1] one")
        let events = try await memory.history(of: "a", page: page, for: caller("n")).items
        #expect(events.map(\.kind) == [.restored, .deleted, .added])
        #expect(events.allSatisfy { $0.caller == "n" })
        #expect(Set(events.map(\.operation)).count == 3)
    }

    @Test func `what has moved away is not brought back in parts`() async throws {
        let memory = memory()
        try await memory.create(
            [MemoryRecord(id: "a", text: "[1] one", namespace: "n")], deduplicate: false, for: caller("n"))
        for changes in [
            try RecordChanges(text: "[2] two"), try RecordChanges(namespace: .set("m")),
        ] {
            _ = try await memory.edit(id: "a", for: .unrestricted) { _ throws(MemoryError) in changes }
        }
        #expect(await code { _ = try await memory.restore(id: "a", to: 1, for: caller("n")) } == .conflict)
        #expect(try await memory.restore(id: "a", to: 1, for: .unrestricted)?.namespace == "n")
    }

    @Test func `without events there is an empty history of what exists`() async throws {
        let memory = memory(keepsHistory: false)
        let page = try #require(all)
        try await memory.create([MemoryRecord(id: "a", text: "[1] one")], deduplicate: false, for: .unrestricted)
        #expect(try await memory.history(of: "a", page: page, for: .unrestricted).total == 0)
        #expect(await code { _ = try await memory.history(of: "b", page: page, for: .unrestricted) } == .notFound)
        #expect(await code { _ = try await memory.restore(id: "a", to: 0, for: .unrestricted) } == .notFound)
    }
}
