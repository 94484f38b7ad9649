import Crypto

/// One pass over a text in normalisation form C: folds case, splits, and stems each word as it
/// ends. Letters of scripts without blanks go out in pairs.
///
/// It works on bytes and keeps one buffer for the current word, so that ASCII text costs no
/// allocation except the words themselves.
struct WordScanner {
    private(set) var words: [String] = []

    private let stemmer: EnglishStemmer
    private let limit: Int
    private let pairsUnspaced: Bool
    /// In a run of a script without blanks: its last two letters at most, with their marks.
    private var word: [UInt8] = []
    /// Where the last letter of such a run begins in ``word``; `nil` outside of one.
    private var lastLetter: Int?
    private var holdsLetterOrDigit = false
    private var caseChanged = false
    private var mayCompose = false

    /// A scanner that stops after `limit` words, a number above zero.
    ///
    /// - Parameter pairsUnspaced: otherwise a run of a script without blanks is one word.
    init(stemmer: EnglishStemmer, limit: Int, pairsUnspaced: Bool) {
        self.stemmer = stemmer
        self.limit = limit
        self.pairsUnspaced = pairsUnspaced
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
            if lastLetter != nil {
                endWord()
                if words.count == limit { return }
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
            if pairsUnspaced, UnspacedScripts.contain(scalar) {
                takeUnspaced(scalar)
                return
            }
            if lastLetter != nil { endWord() }
            holdsLetterOrDigit = true
        } else if !category.isMark {
            endWord()
            return
        }
        if !mayCompose { mayCompose = !CanonicalComposition.isInert(scalar) }
        word.append(scalar)
    }

    /// Takes a letter of a script without blanks.
    private mutating func takeUnspaced(_ letter: Unicode.Scalar) {
        if let start = lastLetter {
            if UnspacedScripts.isMark(letter) {
                word.append(letter)
                return
            }
            if start > 0 {
                words.append(Self.name(of: word))
                word.removeSubrange(..<start)
            }
            lastLetter = word.count
        } else {
            // Marks at the beginning belong to the first letter.
            if holdsLetterOrDigit { endWord() }
            lastLetter = 0
        }
        word.append(letter)
        holdsLetterOrDigit = true
    }

    private mutating func endWord() {
        guard !word.isEmpty else { return }
        if holdsLetterOrDigit {
            // Folding can undo form C, because a small letter may compose with a mark although its
            // capital does not.
            if caseChanged, mayCompose, let composed = word.withUnsafeBufferPointer(CanonicalComposition.compose) {
                word = composed
            }
            if lastLetter == nil { stemmer.stem(&word) }
            words.append(Self.name(of: word))
        }
        word.removeAll(keepingCapacity: true)
        lastLetter = nil
        holdsLetterOrDigit = false
        caseChanged = false
        mayCompose = false
    }

    /// The word itself; of one that is too long its beginning, cut between two scalars, and a
    /// digest of the whole.
    private static func name(of word: [UInt8]) -> String {
        guard word.count > TextAnalyzer.maximumBytesPerWord else { return String(decoding: word, as: UTF8.self) }
        let digest = SHA256.hash(data: word).prefix(16).flatMap { byte in
            [byte >> 4, byte & 15].map { $0 < 10 ? UInt8(ascii: "0") + $0 : UInt8(ascii: "a") + $0 - 10 }
        }
        var end = TextAnalyzer.maximumBytesPerWord - digest.count
        while word[end] & 0xC0 == 0x80 { end -= 1 }
        return String(decoding: word[..<end] + digest, as: UTF8.self)
    }
}
