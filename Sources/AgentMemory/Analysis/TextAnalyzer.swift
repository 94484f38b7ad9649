/// Turns texts and keyword queries into words: the one analyser of all backends.
///
/// The words of a text are found in three steps:
/// 1. the text is brought to Unicode normalisation form C, case is folded in full, and form C is
///   restored;
/// 2. it is split at everything that is not a letter (general categories L*), a decimal digit (Nd)
///   or a combining mark (M*), so that `snake_case` is two words and an apostrophe separates; a run
///   without a letter or digit is not a word;
/// 3. letters of the scripts that are written without blanks (`UnspacedScripts`) are not part of
///   such a word: a run of them, each with the marks behind it, becomes its overlapping pairs, so
///   that `我喜欢喝绿茶` is 我喜, 喜欢, 欢喝, 喝绿, 绿茶; a run of one letter is one word;
/// 4. each word is stemmed by the English stemmer of Snowball 2.2.0, and a very long one is
///   replaced by a shorter form (``maximumBytesPerWord``).
///
/// There are no stop words. Backends rely on this: the result depends on the text alone, not on the
/// locale, the time or earlier calls, and texts and queries are analysed in the same way. A word
/// has letters, digits and marks only, so it never needs quoting. Unicode's data are those of the
/// Swift runtime and of Foundation; for characters that are assigned their folding and composition
/// never change between versions. A change of these rules is another ``Analysis``, by which stores
/// know which records to analyse again.
public struct TextAnalyzer: Sendable {
    /// The number of words of one text that count; later ones are not found by keyword.
    public static let maximumWordsPerText = 10_000

    /// The largest number of UTF-8 bytes of a word. A longer one, as in a text without blanks,
    /// becomes its beginning and 32 hex digits of its SHA-256: it is still found whole and matches
    /// no other word. RediSearch indexes no more of a word (`MAX_NORMALIZE_SIZE` in its
    /// `src/tokenize.c`), and Postgres refuses lexemes above 2,046 bytes.
    public static let maximumBytesPerWord = 128

    /// The rules of a version of this project. Raw values are what stores keep.
    public enum Analysis: Int, Sendable, Comparable {
        /// Every run of letters, digits and marks is one word, whatever the script is.
        case wholeRuns = 1
        /// Runs of scripts without blanks become pairs.
        case pairs = 2

        /// The one that stores write and search by.
        public static let current = Analysis.pairs

        public static func < (a: Analysis, b: Analysis) -> Bool { a.rawValue < b.rawValue }
    }

    private let analysis: Analysis
    private let stemmer = EnglishStemmer()

    public init(_ analysis: Analysis = .current) {
        self.analysis = analysis
    }

    /// The words of `text` in their order, repeated ones included, at most ``maximumWordsPerText``.
    ///
    /// The time is linear in the length of the text, for all characters.
    public func words(in text: String) -> [String] {
        words(in: text, limit: Self.maximumWordsPerText)
    }

    /// Reads a keyword query. The text between two ASCII double quotes is a phrase; a quote without
    /// a partner is punctuation, and so are all other quotation marks. A phrase without words is
    /// dropped, and so is a repeated phrase. As in texts, only the first ``maximumWordsPerText``
    /// words count.
    public func query(_ text: String) -> KeywordQuery {
        let parts = text.utf8.split(separator: UInt8(ascii: "\""), omittingEmptySubsequences: false)
        var remaining = Self.maximumWordsPerText
        var words: [String] = []
        var seenWords: Set<String> = []
        var phrases: [[String]] = []
        var seenPhrases: Set<[String]> = []
        for (index, part) in parts.enumerated() {
            let found = self.words(in: String(Substring(part)), limit: remaining)
            remaining -= found.count
            words += found.filter { seenWords.insert($0).inserted }
            // Every second part is quoted, except the last one, which no quote closes.
            let isPhrase = index % 2 == 1 && index < parts.count - 1
            if isPhrase, !found.isEmpty, seenPhrases.insert(found).inserted {
                phrases.append(found)
            }
        }
        return KeywordQuery(words: words, phrases: phrases)
    }

    private func words(in text: String, limit: Int) -> [String] {
        guard limit > 0 else { return [] }
        var text = text
        return text.withUTF8 { bytes in
            var scanner = WordScanner(stemmer: stemmer, limit: limit, pairsUnspaced: analysis >= .pairs)
            if let composed = CanonicalComposition.compose(bytes) {
                composed.withUnsafeBufferPointer { scanner.scan($0) }
            } else {
                scanner.scan(bytes)
            }
            return scanner.words
        }
    }
}
