/// The tokenizer of BERT: cleans a text, cuts it into words and punctuation, and each word into the
/// longest pieces that the vocabulary has (Devlin, Chang, Lee and Toutanova: "BERT", 2018; Wu et
/// al.: "Google's Neural Machine Translation System", 2016). Equal to `BertTokenizerFast` of
/// Hugging Face, with which the tests compare it.
struct WordPieceTokenizer: Sendable {
    struct Settings: Sendable {
        var cleansText = true
        var separatesIdeographs = true
        var lowercases = true
        /// Nonspacing marks, after canonical decomposition.
        var stripsAccents = true
        /// A longer word, in characters, becomes the unknown token.
        var maximumCharactersPerWord = 100
    }

    /// A token that is found in the unprocessed text, such as `[MASK]`.
    struct LiteralToken: Sendable {
        let text: [UInt8]
        let id: Int32
    }

    let vocabulary: WordPieceVocabulary
    let settings: Settings
    /// Ids of the token for a word without pieces, and of the tokens around every text.
    let unknown: Int32
    let first: Int32
    let last: Int32
    /// Longest first, so that of two that start at one place the longer is found.
    private let literals: [LiteralToken]

    init(
        vocabulary: WordPieceVocabulary, settings: Settings, unknown: Int32, first: Int32, last: Int32,
        literals: [LiteralToken]
    ) {
        self.vocabulary = vocabulary
        self.settings = settings
        self.unknown = unknown
        self.first = first
        self.last = last
        self.literals = literals.filter { !$0.text.isEmpty }.sorted { $0.text.count > $1.text.count }
    }

    /// The ids of a text's tokens between the first and the last, `maximum` (3 or more) altogether.
    ///
    /// Reads no further than it needs to.
    func ids(of text: String, maximum: Int) -> [Int32] { tokens(of: text, maximum: maximum).ids }

    /// ``ids(of:maximum:)`` with the words that they are pieces of.
    func tokens(of text: String, maximum: Int) -> TokenizedText {
        var words = WordPieces(self, limit: maximum - 1)
        words.add(first)
        var text = text
        text.withUTF8 { bytes in
            var index = 0
            while index < bytes.count, !words.isFull {
                if let literal = literal(in: bytes, at: index) {
                    words.end()
                    words.add(literal.id)
                    index += literal.text.count
                    continue
                }
                let byte = bytes[index]
                if byte < 0x80 {
                    words.character = index..<index + 1
                    ascii(byte, into: &words)
                    index += 1
                } else {
                    let (scalar, length) = Self.scalar(in: bytes, at: index)
                    words.character = index..<index + length
                    self.scalar(scalar, into: &words)
                    index += length
                }
            }
        }
        words.end()
        return TokenizedText(
            ids: words.ids.prefix(maximum - 1) + [last], words: words.words.prefix(maximum - 1) + [nil])
    }

    private func literal(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> LiteralToken? {
        for literal in literals where literal.text[0] == bytes[index] && index + literal.text.count <= bytes.count {
            if bytes[index..<index + literal.text.count].elementsEqual(literal.text) { return literal }
        }
        return nil
    }

    private func ascii(_ byte: UInt8, into words: inout WordPieces) {
        switch byte {
        case 0x20, 0x09, 0x0A, 0x0D: words.end()
        case 0x30...0x39, 0x61...0x7A: words.append(byte)
        case 0x41...0x5A: words.append(settings.lowercases ? byte | 0x20 : byte)
        case 0x21...0x7E: words.addWord(byte)
        default:  // controls
            if settings.cleansText { return }
            if (0x0B...0x0C).contains(byte) { words.end() } else { words.append(byte) }
        }
    }

    private func scalar(_ scalar: Unicode.Scalar, into words: inout WordPieces) {
        if settings.cleansText, BertCharacter.isRemoved(scalar) { return }
        if BertCharacter.isWhitespace(scalar) { return words.end() }
        let isIdeograph = settings.separatesIdeographs && BertCharacter.isIdeograph(scalar)
        if isIdeograph { words.end() }
        if settings.stripsAccents {
            BertCharacter.stripAccents(scalar) { lowercase($0, into: &words) }
        } else {
            lowercase(scalar, into: &words)
        }
        if isIdeograph { words.end() }
    }

    private func lowercase(_ scalar: Unicode.Scalar, into words: inout WordPieces) {
        if settings.lowercases, scalar.properties.changesWhenLowercased {
            for part in scalar.properties.lowercaseMapping.unicodeScalars { words.append(part) }
        } else {
            words.append(scalar)
        }
    }

    /// Decodes one scalar of valid UTF-8.
    private static func scalar(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (Unicode.Scalar, length: Int) {
        let lead = UInt32(bytes[index])
        func next(_ offset: Int) -> UInt32 { UInt32(bytes[index + offset] & 0x3F) }
        let (value, length) =
            switch lead {
            case ..<0xE0: ((lead & 0x1F) << 6 | next(1), 2)
            case ..<0xF0: ((lead & 0x0F) << 12 | next(1) << 6 | next(2), 3)
            default: ((lead & 0x07) << 18 | next(1) << 12 | next(2) << 6 | next(3), 4)
            }
        return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
    }
}
