import AgentMemory
import Testing

@testable import Embeddings

@Suite("Hashing embedder")
struct HashingEmbedderTests {
    private func similarity(_ a: [Float], _ b: [Float]) -> Float {
        zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
    }

    @Test(arguments: [
        "a", "plain text", "", " ", "!?…", "🙂", "🙂🙂", "\u{0}", "é", "日本語のテキスト",
        String(repeating: "long ", count: 5000),
    ])
    func `vectors have length one`(text: String) throws {
        for dimensions in [16, 17, 1024, 4096] {
            let vector = try HashingEmbedder(dimensions: dimensions).vector(of: text)
            #expect(vector.count == dimensions)
            #expect(vector.allSatisfy { $0.isFinite })
            #expect(abs(similarity(vector, vector) - 1) < 1e-4)
        }
    }

    @Test func `likeness follows words and their parts`() throws {
        let embedder = try HashingEmbedder(dimensions: 1024)
        let vectors = [
            "Anna prefers green tea in the morning", "In the morning Anna likes tea, green tea",
            "The build server runs out of disk space", "internationalisation", "internationalization", "ANNA",
            "anna", "🙂", "🎉",
        ].map(embedder.vector)
        #expect(similarity(vectors[0], vectors[1]) > 0.6)
        #expect(similarity(vectors[0], vectors[2]) < 0.2)
        #expect(similarity(vectors[3], vectors[4]) > 0.1)
        #expect(vectors[5] == vectors[6])
        #expect(vectors[7] != vectors[8])
        #expect(similarity(embedder.vector(of: "running"), embedder.vector(of: "runs")) > 0.9)
    }

    /// Stored vectors must keep their meaning from one release to the next.
    @Test func `values stay the same`() throws {
        #expect(HashedFeatures.hash("tea".utf8, kind: .word) == 0xD4D8_A61F_A7AF_116B)
        let vector = try HashingEmbedder(dimensions: 16).vector(of: "green tea")
        #expect(
            vector == [
                0.0, 0.0, 0.5465956, 0.22259668, -0.22259668, 0.0, 0.22259668, 0.0, -0.09220257, 0.09220257, -0.6387982,
                0.13039412, 0.09220257, -0.26078823, 0.09220257, 0.15969954,
            ])
    }

    @Test func `is checked`() async throws {
        let embedder = try HashingEmbedder(dimensions: 64)
        #expect(embedder.model == "local/hashing-64")
        try await #expect(embedder.checkedEmbeddings(of: ["", "a"]).count == 2)
        #expect(await embedder.unavailability() == nil)
    }
}
