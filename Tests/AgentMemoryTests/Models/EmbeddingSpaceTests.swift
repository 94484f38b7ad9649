import AgentMemory
import Testing

/// Which of the vectors on record a server may use.
@Suite struct EmbeddingSpaceTests {
    private func recorded(_ number: Int, _ model: String?, _ dimensions: Int, isReady: Bool = true) -> RecordedSpace {
        RecordedSpace(
            number: number, space: EmbeddingSpace(model: model, dimensions: dimensions), isReady: isReady)
    }

    private let own = EmbeddingSpace(model: "m", dimensions: 64)

    @Test func `the own model is used once it is ready`() {
        #expect([recorded(1, "other", 64), recorded(2, "m", 64)].usable(for: own)?.number == 2)
        #expect([recorded(1, "other", 64), recorded(2, "m", 64, isReady: false)].usable(for: own) == nil)
        #expect([recorded(1, "m", 32)].usable(for: own) == nil)
        #expect([recorded(1, "other", 64)].usable(for: own) == nil)
        #expect([RecordedSpace]().usable(for: own) == nil)
    }

    @Test func `vectors of no known model are used if they fit and nothing better is there`() {
        #expect([recorded(1, nil, 64)].usable(for: own)?.number == 1)
        #expect([recorded(1, nil, 32)].usable(for: own) == nil)
        #expect([recorded(1, nil, 64), recorded(2, "m", 64)].usable(for: own)?.number == 2)
        // The model is being replaced: these are not its vectors.
        #expect([recorded(1, nil, 64), recorded(2, "m", 64, isReady: false)].usable(for: own) == nil)
    }

    @Test func `a refusal names both models and the way out`() {
        let other = [recorded(1, "other", 32), recorded(2, "half", 8, isReady: false)].refusal(of: own)
        #expect(other.code == .misconfigured)
        for part in ["other (32 dimensions)", "m (64 dimensions)", "agent-memory reembed"] {
            #expect(other.message.contains(part))
        }
        #expect(!other.message.contains("half"))
        let unfinished = [recorded(1, "other", 32), recorded(2, "m", 64, isReady: false)].refusal(of: own)
        #expect(unfinished.message.contains("m (64 dimensions)") && unfinished.message.contains("run it (again)"))
    }
}
