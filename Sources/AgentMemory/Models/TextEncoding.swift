/// What a model makes of one text.
public struct TextEncoding: Sendable, Equatable {
    /// The vector by which the text is found.
    public let vector: [Float]
    /// What late interaction compares (rule S11); `nil` where no model makes it.
    public let tokens: EncodedTokens?

    public init(vector: [Float], tokens: EncodedTokens? = nil) {
        self.vector = vector
        self.tokens = tokens
    }
}

/// The tokens of one text, without those that mark its beginning and end and without punctuation.
public struct EncodedTokens: Sendable, Equatable {
    public let bits: TokenBits
    /// The word of the text that each token is a piece of, as it stands there.
    public let words: [String]

    /// - Precondition: as many words as tokens.
    public init(bits: TokenBits, words: [String]) {
        precondition(bits.count == words.count, "\(words.count) words for \(bits.count) tokens")
        self.bits = bits
        self.words = words
    }
}

/// The signs of the last hidden states of a text's tokens: one bit for each dimension, set where
/// the state is 0 or more.
public struct TokenBits: Sendable, Equatable {
    /// The tokens of one text that are kept: those after them change no rank noticeably.
    public static let maximumTokens = 128

    /// A short name of the model: bits of two models cannot be compared.
    public let modelTag: UInt32
    /// Bits of a token; a multiple of 64.
    public let width: Int
    /// The tokens one after the other, ``width`` / 64 words each; the lowest bit is the first.
    public let words: [UInt64]

    /// - Precondition: `width` is a positive multiple of 64 up to 16,320, and `words` holds whole
    ///   tokens.
    public init(modelTag: UInt32, width: Int, words: [UInt64]) {
        precondition(width > 0 && width.isMultiple(of: 64) && width / 64 <= 255, "tokens of \(width) bits")
        precondition(
            words.count.isMultiple(of: width / 64), "\(words.count) words are no whole tokens of \(width) bits")
        self.modelTag = modelTag
        self.width = width
        self.words = words
    }

    /// How many tokens there are.
    public var count: Int { words.count / (width / 64) }

    /// The tag of a model, from its name: FNV-1a of 32 bits.
    public static func tag(ofModel name: String) -> UInt32 {
        name.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    // MARK: As stores keep them

    private static let formatVersion: UInt8 = 1
    private static let headerBytes = 6

    /// Where in ``storedBytes`` the model's tag begins.
    public static let storedTagOffset = 2

    /// A tag as it stands there.
    public static func storedTag(_ tag: UInt32) -> [UInt8] {
        stride(from: UInt32(0), to: 32, by: 8).map { UInt8(truncatingIfNeeded: tag >> $0) }
    }

    /// The version of the format, ``width`` / 64, the model's tag (4 bytes) and the words, the
    /// lowest byte first.
    public var storedBytes: [UInt8] {
        var bytes = [Self.formatVersion, UInt8(width / 64)]
        bytes.reserveCapacity(Self.headerBytes + words.count * 8)
        bytes += Self.storedTag(modelTag)
        for word in words {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return bytes
    }

    /// Reads ``storedBytes``; `nil` for what is not of this format or of another model than
    /// `modelTag`.
    public init?(storedBytes bytes: [UInt8], modelTag: UInt32) {
        guard bytes.count >= Self.headerBytes, bytes[0] == Self.formatVersion, bytes[1] > 0,
            (bytes.count - Self.headerBytes).isMultiple(of: 8 * Int(bytes[1]))
        else { return nil }
        guard bytes[Self.storedTagOffset..<Self.headerBytes].elementsEqual(Self.storedTag(modelTag)) else { return nil }
        let count = (bytes.count - Self.headerBytes) / 8
        let words = bytes.withUnsafeBytes { buffer in
            (0..<count).map { index in
                UInt64(
                    littleEndian: buffer.loadUnaligned(fromByteOffset: Self.headerBytes + index * 8, as: UInt64.self))
            }
        }
        self.init(modelTag: modelTag, width: Int(bytes[1]) * 64, words: words)
    }
}
