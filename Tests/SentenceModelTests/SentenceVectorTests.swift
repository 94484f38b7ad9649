import AgentMemory
import TestSupport
import Testing

@testable import SentenceModel

@Suite("Sentence vectors", .tags(.alone))
struct SentenceVectorTests {
    @Test func `equal those of sentence transformers`() async throws {
        let embedder = try SentenceEmbedder(.init(name: "local/all-MiniLM-L6-v2", path: ModelFixtures.miniLM()))
        #expect(embedder.dimensions == 384)
        #expect(embedder.maximumTokens == 256)
        let rows = try ModelFixtures.rows("sentences.jsonl")
        #expect(rows.count == 200)
        let texts = try rows.map { try #require($0["text"]?.stringValue) }
        // All in one call: batches and their order must not show.
        let vectors = try await embedder.embed(texts)
        #expect(vectors.count == 200)
        for (row, (text, vector)) in zip(rows, zip(texts, vectors)) {
            let cosine = ModelFixtures.cosine(vector, try ModelFixtures.halves(row["vector"]))
            #expect(cosine >= 0.9999, "\(text.prefix(80).debugDescription)")
            #expect(abs(ModelFixtures.cosine(vector, vector) - 1) < 1e-6)
        }
    }

    /// f16 and bf16, CLS and mean, with and without normalisation, other activations, an encoder
    /// under a prefix.
    @Test(arguments: ["tiny-cls-f16", "tiny-mean-bf16"])
    func `equal those of small models with other settings`(_ model: String) async throws {
        let embedder = try SentenceEmbedder(.init(name: model, path: ModelFixtures.path(model)))
        let rows = try ModelFixtures.rows("\(model)/vectors.jsonl")
        #expect(!rows.isEmpty)
        for row in rows {
            let vector = try await embedder.embed([try #require(row["text"]?.stringValue)])[0]
            let expected = try ModelFixtures.floats(row["vector"])
            #expect(vector.count == expected.count)
            for (a, b) in zip(vector, expected) { #expect(abs(a - b) < 1e-5) }
        }
    }

    @Test func `paraphrases are nearer than shared words`() async throws {
        let embedder = try SentenceEmbedder(.init(name: "local/all-MiniLM-L6-v2", path: ModelFixtures.miniLM()))
        let vectors = try await embedder.embed(["my dog is ill", "The puppy has a fever", "my car is fast"])
        #expect(
            ModelFixtures.cosine(vectors[0], vectors[1]) > ModelFixtures.cosine(vectors[0], vectors[2]) + 0.2)
    }
}
