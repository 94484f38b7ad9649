import Crypto

/// The key of a text. Bytes, not characters: two spellings of "é" are equal strings in Swift, but
/// different texts to a model.
enum TextKey: Hashable, Sendable {
    /// The key of a text above this many bytes is its SHA-256.
    static let longestText = 256

    case text([UInt8])
    case digest([UInt8])

    init(_ text: String) {
        let bytes = Array(text.utf8)
        self = bytes.count <= Self.longestText ? .text(bytes) : .digest(Array(SHA256.hash(data: bytes)))
    }

    /// Bytes that the key takes.
    var size: Int {
        switch self {
        case .text(let bytes), .digest(let bytes): bytes.count + 32
        }
    }
}
