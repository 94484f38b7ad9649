public import AgentMemory

/// Vectors that a test can choose: a text that begins with `[1,0,0,0]` has this one if it has as
/// many dimensions. The vector of every other text is the sum of its words' vectors: texts that
/// share words are near each other, and the same words have other vectors with another model.
public struct TestEmbedder: Embedder {
    public let model: String
    public let dimensions: Int

    public init(model: String = "test", dimensions: Int) {
        self.model = model
        self.dimensions = dimensions
    }

    public func embed(_ texts: [String]) async throws -> [[Float]] { texts.map { chosen($0) ?? sum($0) } }

    public func unavailability() async -> String? { nil }

    private func chosen(_ text: String) -> [Float]? {
        guard text.hasPrefix("["), let end = text.firstIndex(of: "]") else { return nil }
        let numbers = text.dropFirst().prefix(upTo: end).split(separator: ",").compactMap { Float($0) }
        return numbers.count == dimensions ? numbers : nil
    }

    private func sum(_ text: String) -> [Float] {
        var vector = [Float](repeating: 0, count: dimensions)
        // A text without words has a vector, too.
        for word in TextAnalyzer().words(in: text) + ["bias"] {
            let hash = (model + word).utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) {
                ($0 ^ UInt64($1)) &* 0x100_0000_01B3
            }
            var random = SplitMix(seed: hash)
            for index in vector.indices { vector[index] += Float.random(in: -1...1, using: &random) }
        }
        return vector
    }
}
