import AgentMemory
import TestSupport
import Testing

@testable import SentenceModel

@Suite("Sentence embedder", .tags(.alone))
struct SentenceEmbedderTests {
    private func make(
        _ change: (inout SentenceEmbedder.Configuration) -> Void = { _ in }
    ) throws -> SentenceEmbedder {
        var configuration = SentenceEmbedder.Configuration(
            name: "local/tiny", path: ModelFixtures.path("tiny-mean-bf16"))
        change(&configuration)
        return try SentenceEmbedder(configuration)
    }

    private func text(_ number: Int) -> String { String(repeating: "dog ", count: number % 7) + "number \(number)" }

    @Test func `answers in order whatever the batches`() async throws {
        let embedder = try make()
        #expect(try await embedder.embed([]).isEmpty)
        let texts = (0..<300).map(text)
        let together = try await embedder.embed(texts)
        for (text, vector) in zip(texts, together) {
            let alone = try await embedder.embed([text])[0]
            #expect(zip(alone, vector).allSatisfy { abs($0 - $1) < 1e-5 }, "\(text)")
        }
    }

    @Test(arguments: [1, 3])
    func `answers many at a time`(threads: Int) async throws {
        let embedder = try make { $0.threads = threads }
        let expected = try await embedder.embed((0..<40).map(text))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    let vector = try await embedder.embed([text(number), "dog"])[0]
                    #expect(zip(vector, expected[number]).allSatisfy { abs($0 - $1) < 1e-5 })
                }
            }
            try await group.waitForAll()
        }
    }

    /// More than any machine embeds while a deadline or another call passes.
    private static let manyTexts = [String](repeating: String(repeating: "dog is ill ", count: 40), count: 200_000)

    /// The import alone takes many seconds; if the query had to wait for it, it would come second.
    @Test func `a query does not wait for an import`() async throws {
        let embedder = try make { $0.threads = 1 }
        let order = try await withThrowingTaskGroup(of: String.self) { group in
            group.addTask {
                await #expect(throws: CancellationError.self) {
                    try await embedder.embed(Self.manyTexts)
                }
                return "import"
            }
            // The import must have its turn first.
            try await eventually { embedder.waitingTexts >= 100_000 }
            group.addTask {
                _ = try await embedder.embed(["dog"])
                return "query"
            }
            var order: [String] = []
            for try await name in group {
                order.append(name)
                // Ends the import, too: what waits is cancelled between two portions.
                if name == "query" { group.cancelAll() }
            }
            return order
        }
        #expect(order == ["query", "import"])
        #expect(embedder.waitingTexts == 0)
    }

    @Test func `a call ends at its deadline`() async throws {
        let embedder = try make {
            $0.threads = 1
            $0.deadline = .milliseconds(20)
        }
        await #expect {
            try await embedder.embed(Self.manyTexts)
        } throws: { error in
            (error as? MemoryError)?.code == .timedOut
        }
        #expect(embedder.waitingTexts == 0)
    }

    @Test func `is read with the first text if so asked`() async throws {
        let embedder = try make { $0.loadsAtStart = false }
        #expect(embedder.phase == .unloaded)
        #expect(await embedder.unavailability() == nil)
        #expect(try await embedder.embed(["dog"])[0].count == 24)
        #expect(embedder.phase == .loaded)
    }

    @Test func `is read at the start otherwise`() async throws {
        let embedder = try make()
        try await eventually { embedder.phase == .loaded }
        #expect(await embedder.unavailability() == nil)
    }

    @Test func `refuses an impossible number of threads`() throws {
        for threads in [0, 65] {
            #expect {
                try make {
                    $0.threads = threads
                    $0.threadsName = "LOCAL_EMBEDDING_THREADS"
                }
            } throws: { error in
                (error as? MemoryError)?.message.contains("LOCAL_EMBEDDING_THREADS") == true
            }
        }
    }
}
