public import AgentMemory

/// `local/hashing-<dimensions>`: vectors from the words and letters of a text alone. No model, no
/// service, no key.
///
/// Feature hashing with signs (Weinberger, Dasgupta, Langford, Smola and Attenberg: "Feature
/// Hashing for Large Scale Multitask Learning", ICML 2009) of words, pairs of neighbouring words,
/// and the character n-grams of each word between boundary marks (as fastText does: Bojanowski,
/// Grave, Joulin and Mikolov: "Enriching Word Vectors with Subword Information", TACL 2017). Words
/// count with the square root of their frequency; vectors have length 1. It finds texts that share
/// words or parts of words, not texts with the same meaning.
///
/// The value depends on the text and the dimensions only: the hash is defined here, and the
/// floating-point operations are those that IEEE 754 rounds in one way.
public struct HashingEmbedder: Embedder {
    /// The supported numbers of dimensions.
    public static let dimensionsRange = 16...4096
    public static let modelPrefix = "local/hashing-"

    public let dimensions: Int
    public var model: String { Self.modelPrefix + String(dimensions) }
    /// Always this one: stored vectors of the same name would not be comparable otherwise.
    private let analyzer = TextAnalyzer(.wholeRuns)

    /// - Parameter dimensions: One of ``dimensionsRange``.
    /// - Throws: ``MemoryError`` with code `misconfigured`.
    public init(dimensions: Int) throws(MemoryError) {
        guard Self.dimensionsRange.contains(dimensions) else {
            let range = Self.dimensionsRange
            throw MemoryError(
                .misconfigured,
                "\(Self.modelPrefix)\(dimensions) does not exist: there are \(range.lowerBound) to \(range.upperBound) "
                    + "dimensions")
        }
        self.dimensions = dimensions
    }

    public func embed(_ texts: [String]) async throws -> [[Float]] {
        var vectors: [[Float]] = []
        vectors.reserveCapacity(texts.count)
        for text in texts {
            try Task.checkCancellation()
            vectors.append(vector(of: text))
        }
        return vectors
    }

    public func unavailability() async -> String? { nil }

    /// The vector of one text: ``dimensions`` values, of length 1.
    public func vector(of text: String) -> [Float] {
        var features = HashedFeatures(dimensions: dimensions)
        let words = analyzer.words(in: text)
        if words.isEmpty {
            // Emoji and punctuation are features too, and so is the absence of any feature.
            features.addSubwords(of: Array(text.utf8), weight: 1)
            features.add(HashedFeatures.hash(text.utf8, kind: .text), 1)
            return features.normalised()
        }
        // In the order of first occurrence: floating-point sums depend on their order.
        var positions: [String: Int] = [:]
        var counted: [(word: String, count: Int)] = []
        for word in words {
            if let position = positions[word] {
                counted[position].count += 1
            } else {
                positions[word] = counted.count
                counted.append((word, 1))
            }
        }
        for (word, count) in counted {
            let weight = Float(count).squareRoot() * (FunctionWords.contains(word) ? 0.2 : 1)
            features.add(HashedFeatures.hash(word.utf8, kind: .word), weight)
            features.addSubwords(of: Array(word.utf8), weight: 0.5 * weight)
        }
        for (first, second) in zip(words, words.dropFirst())
        where !(FunctionWords.contains(first) || FunctionWords.contains(second)) {
            features.add(HashedFeatures.hash(first.utf8, [0x20], second.utf8, kind: .pair), 0.25)
        }
        return features.normalised()
    }
}
