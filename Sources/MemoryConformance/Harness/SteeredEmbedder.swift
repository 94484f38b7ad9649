public import AgentMemory
import Synchronization

/// An embedder whose vectors a check decides: a text `[0.5, 1] anything` gets the vector (0.5, 1,
/// 0, 0, ...); any other text gets a unit vector made from its bytes, the same on every platform.
///
/// It counts its calls and can be told to fail. If a check asks for tokens, each word of a text is
/// one, of 64 bits that the check can decide too.
public final class SteeredEmbedder: Embedder {
    public enum Fault: String, Sendable {
        /// Throws as if the service were down.
        case down
        case wrongLength
        case zero
        case notFinite
    }

    private struct State {
        var texts: [String] = []
        var fault: Fault?
        var assigned: [ExactString: [Float]] = [:]
        var tokens: [ExactString: UInt64] = [:]
    }

    public let model = "conformance/steered"
    public let dimensions: Int
    /// Of the tokens; `nil` unless they are wanted.
    public let tokenModelTag: UInt32?
    private let state = Mutex(State())

    /// The default length of vectors.
    public static let usualDimensions = 16
    /// Checks use as many directions, and need room for other texts.
    public static let fewestDimensions = 8

    /// - Parameters:
    ///   - dimensions: the length of vectors; at least ``fewestDimensions``.
    ///   - makesTokens: whether texts have tokens; default: no.
    public init(dimensions: Int = usualDimensions, makesTokens: Bool = false) {
        self.dimensions = dimensions
        tokenModelTag = makesTokens ? TokenBits.tag(ofModel: "conformance/steered") : nil
    }

    /// Every text that was embedded so far.
    public var embeddedTexts: [String] { state.withLock(\.texts) }

    /// The fault of the following calls; `nil` for none.
    public func fail(_ fault: Fault?) {
        state.withLock { $0.fault = fault }
    }

    /// Assigns a vector to a text without writing numbers, which are words too, into it; shorter
    /// vectors are filled up with zeros.
    public func assign(_ vector: [Float], to text: String) {
        state.withLock { $0.assigned[ExactString(text)] = vector }
    }

    public func embed(_ texts: [String]) async throws -> [[Float]] {
        let fault = state.withLock { state in
            state.texts += texts
            return state.fault
        }
        switch fault {
        case nil: return texts.map(vector)
        case .down: throw MemoryError(.embeddingFailed, "the embedding service is down, as the check asked")
        case .wrongLength: return texts.map { _ in [Float](repeating: 1, count: dimensions + 1) }
        case .zero: return texts.map { _ in [Float](repeating: 0, count: dimensions) }
        case .notFinite: return texts.map { _ in [Float](repeating: .nan, count: dimensions) }
        }
    }

    public func encode(_ texts: [String]) async throws -> [TextEncoding] {
        zip(texts, try await embed(texts)).map { TextEncoding(vector: $1, tokens: tokens($0)) }
    }

    public func unavailability() async -> String? { nil }

    /// Assigns bits to a word wherever it is a token.
    public func assign(bits: UInt64, toWord word: String) {
        state.withLock { $0.tokens[ExactString(word)] = bits }
    }

    /// The words of a text as tokens; `nil` unless they are wanted.
    public func tokens(_ text: String) -> EncodedTokens? {
        guard let tokenModelTag else { return nil }
        let words = text.split { !$0.isLetter && !$0.isNumber }.prefix(TokenBits.maximumTokens).map(String.init)
        let bits = state.withLock { state in words.map { state.tokens[ExactString($0)] ?? Self.seed(of: $0) } }
        return EncodedTokens(bits: TokenBits(modelTag: tokenModelTag, width: 64, words: bits), words: words)
    }

    /// The vector of a text.
    public func vector(_ text: String) -> [Float] {
        if let steered = state.withLock({ $0.assigned[ExactString(text)] }) ?? Self.steered(text) {
            return steered + [Float](repeating: 0, count: max(0, dimensions - steered.count))
        }
        return Self.unitVector(dimensions: dimensions, seed: Self.seed(of: text))
    }

    /// The FNV-1a hash of a text, from which splitmix64 makes its vector.
    private static func seed(of text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// A vector of length 1 whose direction depends on `seed` alone.
    public static func unitVector(dimensions: Int, seed: UInt64) -> [Float] {
        var state = seed
        let values: [Double] = (0..<dimensions).map { _ in
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            z ^= z >> 31
            return Double(z >> 11) / Double(1 << 53) * 2 - 1
        }
        let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return values.map { Float($0 / norm) }
    }

    private static func steered(_ text: String) -> [Float]? {
        guard text.hasPrefix("["), let end = text.firstIndex(of: "]") else { return nil }
        let numbers = text[text.index(after: text.startIndex)..<end].split(separator: ",").map {
            Float($0.drop { $0 == " " })
        }
        return numbers.isEmpty || numbers.contains(nil) ? nil : numbers.compactMap(\.self)
    }
}
