import AgentMemory
import Synchronization
import TestSupport
import Testing

@testable import Embeddings

@Suite("Caching embedder")
struct CachingEmbedderTests {
    /// Returns on command.
    private final class GatedEmbedder: Embedder {
        struct State {
            var calls: [[String]] = []
            var cancelled = 0
            var isOpen = false
            var failure: MemoryError?
        }
        let state = Mutex(State())
        let model = "gated"
        let dimensions = 2

        init(isOpen: Bool = true) { state.withLock { $0.isOpen = isOpen } }

        var calls: [[String]] { state.withLock { $0.calls } }

        func embed(_ texts: [String]) async throws -> [[Float]] {
            state.withLock { $0.calls.append(texts) }
            do {
                while !state.withLock({ $0.isOpen }) {
                    try Task.checkCancellation()
                    await Task.yield()
                }
            } catch {
                state.withLock { $0.cancelled += 1 }
                throw error
            }
            if let failure = state.withLock({ $0.failure }) { throw failure }
            return texts.map { [Float($0.utf8.count), 1] }
        }

        func unavailability() async -> String? { nil }
    }

    @Test func `asks for each text once`() async throws {
        let base = GatedEmbedder()
        let cache = CachingEmbedder(base)
        try await #expect(cache.embed(["a", "bb", "a"]) == [[1, 1], [2, 1], [1, 1]])
        try await #expect(cache.embed(["ccc", "bb"]) == [[3, 1], [2, 1]])
        try await #expect(cache.embed([]) == [])
        #expect(base.calls == [["a", "bb"], ["ccc"]])
        #expect(cache.statistics.hits == 1)
        #expect(cache.statistics.misses == 3)
        #expect(cache.statistics.entries == 3)
        #expect(cache.model == "gated")
    }

    @Test func `tells spellings apart`() async throws {
        let cache = CachingEmbedder(GatedEmbedder())
        try await #expect(cache.embed(["\u{E9}", "e\u{301}"]) == [[2, 1], [3, 1]])
    }

    @Test func `shares requests under way`() async throws {
        let base = GatedEmbedder(isOpen: false)
        let cache = CachingEmbedder(base)
        let tasks = (0..<10).map { _ in Task { try await cache.embed(["same", "texts"]) } }
        try await eventually { cache.statistics.misses == 20 }
        base.state.withLock { $0.isOpen = true }
        for task in tasks { try await #expect(task.value == [[4, 1], [5, 1]]) }
        #expect(base.calls == [["same", "texts"]])
        #expect(cache.statistics.shared == 18)
    }

    @Test func `one callers cancellation leaves the others alone`() async throws {
        let base = GatedEmbedder(isOpen: false)
        let cache = CachingEmbedder(base)
        let first = Task { try await cache.embed(["a"]) }
        try await eventually { base.calls.count == 1 }
        let second = Task { try await cache.embed(["a", "b"]) }
        try await eventually { base.calls.count == 2 }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        base.state.withLock { $0.isOpen = true }
        try await #expect(second.value == [[1, 1], [1, 1]])
        #expect(base.state.withLock { $0.cancelled } == 0)
    }

    @Test func `the last to leave ends the request`() async throws {
        let base = GatedEmbedder(isOpen: false)
        let cache = CachingEmbedder(base)
        let tasks = (0..<3).map { _ in Task { try await cache.embed(["a"]) } }
        try await eventually { cache.statistics.misses == 3 && base.calls.count == 1 }
        for task in tasks { task.cancel() }
        for task in tasks { await #expect(throws: CancellationError.self) { try await task.value } }
        try await eventually { base.state.withLock { $0.cancelled } == 1 }
        base.state.withLock { $0.isOpen = true }
        try await #expect(cache.embed(["a"]) == [[1, 1]])
    }

    @Test func `keeps no failures`() async throws {
        let base = GatedEmbedder()
        let cache = CachingEmbedder(base)
        base.state.withLock { $0.failure = MemoryError(.embeddingFailed, "down") }
        await #expect(throws: MemoryError.self) { try await cache.embed(["a"]) }
        base.state.withLock { $0.failure = nil }
        try await #expect(cache.embed(["a"]) == [[1, 1]])
        #expect(base.calls.count == 2)
    }

    @Test func `drops the oldest`() async throws {
        let base = GatedEmbedder()
        let cache = CachingEmbedder(base, maximumEntries: 2)
        _ = try await cache.embed(["a"])
        _ = try await cache.embed(["b"])
        _ = try await cache.embed(["a"])
        _ = try await cache.embed(["c"])
        _ = try await cache.embed(["a"])
        #expect(base.calls == [["a"], ["b"], ["c"]])
        _ = try await cache.embed(["b"])
        #expect(base.calls.count == 4)
        #expect(cache.statistics.entries == 2)
    }

    @Test func `keeps within its bytes`() async throws {
        let cache = CachingEmbedder(GatedEmbedder(), maximumBytes: 5000)
        for n in 0..<500 {
            _ = try await cache.embed(["text \(n)", String(repeating: "x", count: 10_000 + n)])
            #expect(cache.statistics.bytes <= 5000)
        }
        #expect(cache.statistics.entries > 10)
        let tiny = CachingEmbedder(GatedEmbedder(), maximumBytes: 10)
        try await #expect(tiny.embed(["a"]) == [[1, 1]])
        #expect(tiny.statistics.entries == 0)
    }

    @Test func `long texts are kept as digests`() {
        #expect(TextKey(String(repeating: "x", count: 100_000)).size == 64)
        #expect(TextKey(String(repeating: "x", count: 300)) != TextKey(String(repeating: "x", count: 301)))
    }
}
