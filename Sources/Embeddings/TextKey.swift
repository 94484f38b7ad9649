import Crypto

/// What a text is kept under. Bytes, not characters: to Swift two spellings of "é" are equal
/// strings, to a model they are not.
enum TextKey: Hashable, Sendable {
    /// Texts above this many bytes are kept under their SHA-256 instead of themselves.
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
