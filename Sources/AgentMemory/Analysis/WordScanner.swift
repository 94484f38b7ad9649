import Crypto

/// One pass over a text in normalisation form C: folds case, splits, and stems each word as it
/// ends.
///
/// It works on bytes and keeps one buffer for the current word, so that ASCII text costs no
/// allocation except the words themselves.
struct WordScanner {
    private(set) var words: [String] = []

    private let stemmer: EnglishStemmer
    private let limit: Int
    private var word: [UInt8] = []
    private var holdsLetterOrDigit = false
    private var caseChanged = false
    private var mayCompose = false

    /// A scanner that stops after `limit` words, a number above zero.
    init(stemmer: EnglishStemmer, limit: Int) {
        self.stemmer = stemmer
        self.limit = limit
    }

    /// Appends the words of `bytes`, which are valid UTF-8 in normalisation form C.
    mutating func scan(_ bytes: UnsafeBufferPointer<UInt8>) {
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            guard byte < 0x80 else {
                let (scalar, length) = UTF8Decoding.scalar(in: bytes, at: index)
                fold(scalar)
                index += length
                if words.count == limit { return }
                continue
            }
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                word.append(byte)
                holdsLetterOrDigit = true
            case UInt8(ascii: "A")...UInt8(ascii: "Z"):
                word.append(byte | 0x20)
                holdsLetterOrDigit = true
                caseChanged = true
            default:
                endWord()
                if words.count == limit { return }
            }
            index += 1
        }
        endWord()
    }

    private mutating func fold(_ scalar: Unicode.Scalar) {
        if CaseFolding.fold(scalar, { take($0) }) { caseChanged = true }
    }

    /// Takes one scalar of the folded text.
    private mutating func take(_ scalar: Unicode.Scalar) {
        let category = scalar.properties.generalCategory
        if category.isLetterOrDecimalDigit {
            holdsLetterOrDigit = true
        } else if !category.isMark {
            endWord()
            return
        }
        if !mayCompose { mayCompose = !CanonicalComposition.isInert(scalar) }
        word.append(scalar)
    }

    private mutating func endWord() {
        guard !word.isEmpty else { return }
        if holdsLetterOrDigit {
            // Folding can undo form C, because a small letter may compose with a mark although its
            // capital does not.
            if caseChanged, mayCompose, let composed = word.withUnsafeBufferPointer(CanonicalComposition.compose) {
                word = composed
            }
            stemmer.stem(&word)
            shorten()
            words.append(String(decoding: word, as: UTF8.self))
        }
        word.removeAll(keepingCapacity: true)
        holdsLetterOrDigit = false
        caseChanged = false
        mayCompose = false
    }

    /// Replaces a word that is too long by its beginning, cut between two scalars, and a digest of
    /// the whole.
    private mutating func shorten() {
        guard word.count > TextAnalyzer.maximumBytesPerWord else { return }
        let digest = SHA256.hash(data: word).prefix(16).flatMap { byte in
            [byte >> 4, byte & 15].map { $0 < 10 ? UInt8(ascii: "0") + $0 : UInt8(ascii: "a") + $0 - 10 }
        }
        var end = TextAnalyzer.maximumBytesPerWord - digest.count
        while word[end] & 0xC0 == 0x80 { end -= 1 }
        word.replaceSubrange(end..., with: digest)
    }
}
