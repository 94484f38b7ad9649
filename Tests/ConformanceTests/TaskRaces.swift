import AgentMemory
import MemoryConformance
import TestSupport
import Testing

@testable import MemoryService

/// Ends and cancellations of tasks at the same time, by two servers on one store.
struct TaskRaces {
    func run(on harness: some ConformanceHarness) async throws {
        let scope = try await harness.makeDatabase(embedder: SteeredEmbedder())
        try await withClosing {
            let documents = try #require(scope.documents)
            try await documents.first.prepare()
            try await documents.second.prepare()
            let (first, second) = (ServerTasks(documents: documents.first), ServerTasks(documents: documents.second))
            for round in 0..<20 {
                let id = "\(round)"
                let task = ServerTask(
                    id: id, type: "test", createdAt: .now(), starter: .unrestricted, details: [:])
                try await first.add(task, namespace: nil, userID: nil)
                await #expect(throws: MemoryError.self) { try await second.add(task, namespace: nil, userID: nil) }
                async let ending = first.change(id) { $0.status = .success }
                async let cancelling: ServerTask? = try? second.cancel(id: id, for: .unrestricted)
                let (ended, cancelled) = (try await ending, await cancelling)
                #expect((ended == nil) != (cancelled == nil), "round \(round)")
                let stored = try await first.task(id: id, for: .unrestricted)
                #expect(stored == (ended ?? cancelled), "round \(round)")
            }
        } close: {
            try await scope.remove()
        }
    }
}
