import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import TestSupport
import Testing

@Suite struct UndoTests {
    private let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder())
    private let memory: LongTermMemory

    init() {
        memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test")))
    }

    private func write(_ operation: String, _ body: () async throws -> Void) async throws {
        try await WriteOrigin.$current.withValue(WriteOrigin(operation: operation, caller: "ada"), operation: body)
    }

    private func texts() async throws -> [String: String] {
        let records = try await database.list(ListQuery(page: PageRequest(limit: 100))).items
        return Dictionary(uniqueKeysWithValues: records.map { ($0.id, $0.text) })
    }

    private func change(_ id: String, _ text: String) async throws {
        let changes = try RecordChanges(text: text)
        _ = try await memory.edit(id: id, for: .unrestricted) { _ throws(MemoryError) in changes }
    }

    @Test func `an operation with several changes of one memory is taken back, and so is that`() async throws {
        try await write("first") {
            try await memory.create(
                [MemoryRecord(id: "a", text: "[1] a"), MemoryRecord(id: "b", text: "[1] b")], deduplicate: false)
        }
        try await write("second") {
            try await change("a", "[2] a")
            _ = try await memory.delete(ids: ["a"])
            try await memory.create([MemoryRecord(id: "a", text: "[3] a")], deduplicate: false)
            try await memory.create([MemoryRecord(id: "c", text: "[3] c")], deduplicate: false)
            _ = try await memory.delete(ids: ["b"])
        }
        #expect(try await texts() == ["a": "[3] a", "c": "[3] c"])
        let undone = try await memory.undo(operation: "second", isForced: false, for: .unrestricted)
        #expect(undone.undone == 3 && undone.skipped.isEmpty)
        #expect(try await texts() == ["a": "[1] a", "b": "[1] b"])
        _ = try await memory.undo(operation: undone.operation, isForced: false, for: .unrestricted)
        #expect(try await texts() == ["a": "[3] a", "c": "[3] c"])
    }

    @Test func `a memory that was changed later is named, and left as it is`() async throws {
        try await write("first") {
            try await memory.create(
                [MemoryRecord(id: "a", text: "[1] a"), MemoryRecord(id: "b", text: "[1] b")], deduplicate: false)
        }
        try await change("b", "[2] b")
        let error = await #expect(throws: MemoryError.self) {
            _ = try await memory.undo(operation: "first", isForced: false, for: .unrestricted)
        }
        #expect(error?.code == .conflict && error?.message.contains("operation: b;") == true)
        #expect(try await texts() == ["a": "[1] a", "b": "[2] b"])
        let undone = try await memory.undo(operation: "first", isForced: true, for: .unrestricted)
        #expect(undone.undone == 1 && undone.skipped == ["b"])
        #expect(try await texts() == ["b": "[2] b"])
    }

    @Test(arguments: [false, true]) func `an undo of a process that died is completed by the same undo`(
        losesAnswer: Bool
    ) async throws {
        let records = try (0..<600).map { try MemoryRecord(id: "\($0)", text: "[1] \($0)") }
        try await write("first") { try await memory.create(records, deduplicate: false) }
        let before = try await database.list(ListQuery(page: PageRequest(limit: 1000))).items
        for calls in 0... {
            let operation = "delete \(calls)"
            try await write(operation) { _ = try await memory.delete(ids: records.map(\.id)) }
            let process = DyingProcess(after: calls, losesAnswer: losesAnswer)
            let dying = DyingDatabase(database, in: process)
            let mortal = LongTermMemory(
                database: dying, accessRecorder: AccessRecorder(database: dying, logger: Logger(label: "test")))
            _ = try? await mortal.undo(operation: operation, isForced: false, for: .unrestricted)
            let outcome = try await memory.undo(operation: operation, isForced: false, for: .unrestricted)
            #expect(outcome.undone == 600 && outcome.skipped.isEmpty, "\(calls) calls")
            let after = try await database.list(ListQuery(page: PageRequest(limit: 1000))).items
            #expect((after == before) as Bool, "\(calls) calls")
            if !process.isDead { break }
        }
    }

    @Test func `a caller undoes what it reaches`() async throws {
        try await write("both") {
            try await memory.create(
                [
                    MemoryRecord(id: "a", text: "[1] a", namespace: "n"),
                    MemoryRecord(id: "b", text: "[1] b", namespace: "m"),
                ], deduplicate: false)
        }
        func caller(_ namespace: String, _ rights: Caller.Rights = .all) -> Caller {
            Caller(subject: namespace, namespaces: [namespace], rights: rights)
        }
        #expect(
            await failureCode { _ = try await memory.undo(operation: "both", isForced: true, for: caller("o")) }
                == .notFound)
        #expect(
            await failureCode { _ = try await memory.undo(operation: "both", isForced: true, for: caller("n", .read)) }
                == .forbidden)
        #expect(try await memory.undo(operation: "both", isForced: false, for: caller("n")).undone == 1)
        #expect(try await texts() == ["b": "[1] b"])
    }

    @Test func `many memories are taken back in batches`() async throws {
        let records = try (0..<1200).map { try MemoryRecord(id: "\($0)", text: "[1] \($0)") }
        try await write("many") { try await memory.create(records, deduplicate: false) }
        #expect(try await memory.undo(operation: "many", isForced: false, for: .unrestricted).undone == 1200)
        #expect(try await memory.count(.everything) == 0)
    }
}
