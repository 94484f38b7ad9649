/// The tokens of a text.
struct TokenizedText {
    var ids: [Int32]
    /// For each token the bytes of the text that its word stands at; `nil` for punctuation and for
    /// tokens that mark the text.
    var words: [Range<Int>?]
}

/// Collects the characters of a word and, at its end, the ids of its pieces.
struct WordPieces {
    private(set) var ids: [Int32] = []
    /// As ``TokenizedText/words``.
    private(set) var words: [Range<Int>?] = []
    /// Where the character stands that is appended next.
    var character = 0..<0
    private let tokenizer: WordPieceTokenizer
    private let limit: Int
    private var word: [UInt8] = []
    private var characters = 0
    private var span = 0..<0
    private var isPunctuation = false

    /// - Parameter limit: The number of ids needed; the last word may add more.
    init(_ tokenizer: WordPieceTokenizer, limit: Int) {
        self.tokenizer = tokenizer
        self.limit = limit
        ids.reserveCapacity(limit + 1)
        words.reserveCapacity(limit + 1)
    }

    var isFull: Bool { ids.count >= limit }

    mutating func add(_ id: Int32) {
        ids.append(id)
        words.append(nil)
    }

    /// Takes note of where the word stands.
    private mutating func count() {
        span = (characters == 0 ? character.lowerBound : span.lowerBound)..<character.upperBound
        characters += 1
    }

    /// The next character of the word: ASCII, not punctuation.
    mutating func append(_ byte: UInt8) {
        count()
        if characters <= tokenizer.settings.maximumCharactersPerWord { word.append(byte) }
    }

    /// The next character; punctuation ends the word and is a word itself.
    mutating func append(_ scalar: Unicode.Scalar) {
        if BertCharacter.isPunctuation(scalar) {
            end()
            word.append(contentsOf: scalar.utf8)
            count()
            isPunctuation = true
            end()
        } else if BertCharacter.isWhitespace(scalar) {
            end()
        } else {
            count()
            if characters <= tokenizer.settings.maximumCharactersPerWord { word.append(contentsOf: scalar.utf8) }
        }
    }

    /// A word of one character of ASCII.
    mutating func addWord(_ byte: UInt8) {
        end()
        append(byte)
        isPunctuation = true
        end()
    }

    /// Ends the word, if there is one, and adds the ids of its pieces.
    mutating func end() {
        guard characters > 0 else { return }
        defer {
            while words.count < ids.count { words.append(isPunctuation ? nil : span) }
            word.removeAll(keepingCapacity: true)
            characters = 0
            isPunctuation = false
        }
        guard characters <= tokenizer.settings.maximumCharactersPerWord else { return ids.append(tokenizer.unknown) }
        let known = ids.count
        if !word.withUnsafeBufferPointer({ appendPieces(of: $0) }) {
            ids.removeSubrange(known...)
            ids.append(tokenizer.unknown)
        }
    }

    /// The longest piece at the start of the word, then the longest of the rest, to the end.
    ///
    /// - Returns: Whether every part had a piece.
    private mutating func appendPieces(of word: UnsafeBufferPointer<UInt8>) -> Bool {
        let vocabulary = tokenizer.vocabulary
        var start = 0
        while start < word.count {
            var hash = start == 0 ? WordPieceVocabulary.Hash() : vocabulary.continuationHash
            var found: (id: Int32, end: Int)?
            // One pass over the rest of the word; the last prefix that is a piece is the longest.
            for index in start..<word.count {
                hash.add(word[index])
                let isBoundary = index + 1 == word.count || word[index + 1] & 0xC0 != 0x80
                if isBoundary,
                    let id = vocabulary.id(
                        of: UnsafeBufferPointer(rebasing: word[start...index]), continues: start > 0, hash: hash)
                {
                    found = (id, index + 1)
                }
            }
            guard let found else { return false }
            ids.append(found.id)
            start = found.end
        }
        return true
    }
}
