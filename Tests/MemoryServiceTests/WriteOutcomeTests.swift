import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import Testing

/// What the response to a failed write says: "nothing was written" only where that is
/// certain.
@Suite struct WriteOutcomeTests {
    /// A backend of which every write fails, and reads too where the test says so.
    private struct FailingDatabase: MemoryVectorDatabase {
        let original = ReferenceMemoryDatabase(embedder: SteeredEmbedder())
        let error: MemoryError
        var failsReads = false
        let name = "failing"
        let capabilities = BackendCapabilities()

        func prepare() {}
        func close() {}
        func add(_ records: [MemoryRecord]) async throws -> [String] { throw error }
        func search(_ query: SearchQuery) async throws -> Page<SearchHit> { throw error }
        func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
            if failsReads { throw error }
            return await original.list(query)
        }
        func count(_ filter: MemoryFilter) async throws -> Int { throw error }
        func delete(_ ids: [String]) async throws -> Int { throw error }
        func update(_ updates: [RecordUpdate]) async throws -> Int { throw error }
        func health() async -> [ComponentHealth] { [] }
    }

    private func told(
        _ error: MemoryError, failsReads: Bool = false, deduplicate: Bool = true,
        _ call: (LongTermMemory) async throws -> Void
    ) async -> String {
        let database = FailingDatabase(error: error, failsReads: failsReads)
        let memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test")))
        do {
            try await call(memory)
            return "no error"
        } catch let told as MemoryError {
            #expect(told.code == error.code)
            return told.message
        } catch {
            return "\(error)"
        }
    }

    private static let lost = MemoryError(.storeUnavailable, "the line broke")
    private static let refused = MemoryError(.storeUnavailable, "the store refuses", mayHaveBeenDone: false)
    private static let unknown = "it is not known whether anything was written"

    @Test func `a lost answer is not said to have written nothing`() async throws {
        let record = try MemoryRecord(id: "a", text: "x")
        for error in [Self.lost, MemoryError(.timedOut, "too late")] {
            let calls: [(LongTermMemory) async throws -> Void] = [
                { try await $0.create([record], deduplicate: true) },
                { try await $0.create([record], deduplicate: false) },
                { _ = try await $0.delete(ids: ["a"]) },
                {
                    _ = try await $0.edit(id: "a") { now throws(MemoryError) in
                        try RecordChanges(text: "y", updatedAt: now)
                    }
                },
            ]
            for call in calls {
                let message = await told(error, call)
                #expect(message.hasPrefix("\(error.message); \(Self.unknown)"), "\(message)")
                #expect(!message.contains("nothing was written"))
            }
        }
    }

    @Test func `what is certain is said`() async throws {
        let record = try MemoryRecord(id: "a", text: "x")
        for error in [Self.refused, MemoryError(.embeddingFailed, "the model is down")] {
            let message = await told(error) { try await $0.create([record], deduplicate: true) }
            #expect(message == "\(error.message); nothing was written")
        }
        // The look for duplicates comes first.
        let message = await told(Self.lost, failsReads: true) { try await $0.create([record], deduplicate: true) }
        #expect(message == "\(Self.lost.message); nothing was written")
        // A read has written nothing, and says nothing of it.
        #expect(await told(Self.lost) { _ = try await $0.count(.everything) } == Self.lost.message)
        // An error of the client is certain too.
        let wrong = MemoryError(.unsupported, "not here")
        #expect(await told(wrong) { try await $0.create([record], deduplicate: true) } == wrong.message)
    }

    @Test func `an error keeps what is known of its write`() {
        #expect(MemoryError(.storeUnavailable, "x").mayHaveBeenDone)
        #expect(MemoryError(.timedOut, "x").within(.index(1)).mayHaveBeenDone)
        #expect(!MemoryError(.timedOut, "x", mayHaveBeenDone: false).within(.index(1)).mayHaveBeenDone)
        #expect(!MemoryError(.timedOut, "x").beforeAnyWrite.mayHaveBeenDone)
        #expect(!MemoryError(.conflict, "x").mayHaveBeenDone)
    }
}
