public import AgentMemory
import Synchronization

/// An embedder whose vectors a check decides: a text `[0.5, 1] anything` gets the vector (0.5, 1,
/// 0, 0, ...); any other text gets a unit vector made from its bytes, the same on every platform.
///
/// It counts its calls and can be told to fail.
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
    }

    public let model = "conformance/steered"
    public let dimensions: Int
    private let state = Mutex(State())

    /// The default length of vectors.
    public static let usualDimensions = 16
    /// Checks use as many directions, and need room for other texts.
    public static let fewestDimensions = 8

    public init(dimensions: Int = usualDimensions) {
        self.dimensions = dimensions
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

    public func unavailability() async -> String? { nil }

    /// The vector of a text.
    public func vector(_ text: String) -> [Float] {
        if let steered = state.withLock({ $0.assigned[ExactString(text)] }) ?? Self.steered(text) {
            return steered + [Float](repeating: 0, count: max(0, dimensions - steered.count))
        }
        // splitmix64 over a FNV-1a hash of the text.
        var seed: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { seed = (seed ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Self.unitVector(dimensions: dimensions, seed: seed)
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
