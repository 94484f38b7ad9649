import AgentMemory

/// Estimates how many tokens of cl100k_base a text has, without its vocabulary of 100,000 tokens.
///
/// A text is split into pieces by cl100k_base's own pattern (``TokenPieces``); no token crosses the
/// border of two pieces. The average number of tokens of a piece was measured with the real
/// vocabulary, by its characters: words by their length (those of English and of code apart from
/// those of other languages in Latin letters), other scripts by letter, digits in threes,
/// punctuation by its run. Numbers, short words, blanks and punctuation, the most of a text, are
/// exact; the README has the error.
struct TokenCounter: Sendable {
    /// At least 1.
    func count(_ text: String) -> Int {
        var cost = TokenCost()
        for piece in TokenPieces(text) { cost.add(piece) }
        return max(1, Int(cost.tokens.rounded()))
    }

    /// A message with its role before it, as in prompts.
    func count(_ message: SessionMessage) -> Int {
        count("\(message.role): \(message.content)")
    }
}

/// Adds up pieces as English and as another language at the same time; the language is known at the
/// end of the text.
private struct TokenCost {
    private var english = 0.0
    private var other = 0.0
    /// The number of function words of English and of other languages.
    private var englishWords = 0
    private var otherWords = 0

    var tokens: Double { otherWords > englishWords ? other : english }

    mutating func add(_ piece: TokenPieces.Piece) {
        switch piece {
        case .single:
            add(1)
        case .digits(let count, let isASCII):
            add(isASCII ? 1 : 2 * Double(count))
        case .blanks(let count):
            // The longest blank token has 83 blanks.
            add(Double((count + 82) / 83))
        case .symbols(let ascii, let marks, let others):
            // Runs such as "-----" and "});" have tokens of their own.
            if ascii > 0 { add(max(1, 1 + 0.3 * Double(ascii - 3))) }
            add(1.6 * Double(marks) + 1.1 * Double(others))
        case .word(let word):
            add(word)
        }
    }

    private mutating func add(_ tokens: Double) {
        english += tokens
        other += tokens
    }

    private mutating func add(_ word: TokenPieces.Word) {
        if let script = word.script {
            add(script.base + script.perLetter * Double(word.letters))
            return
        }
        let length = Double(word.letters)
        switch word.shape {
        case .accented:
            english += 1.1 + 0.37 * length
            other += 0.95 + 0.29 * length
        case .capitals:
            english += max(1, 0.85 + 0.16 * length)
            other += max(1, 0.7 + 0.3 * length)
        case .mixed:
            add(max(2, 0.8 + 0.13 * length))
        case .plain:
            if Self.englishFunctionWords.contains(word.key) {
                englishWords += 1
            } else if Self.otherFunctionWords.contains(word.key) {
                otherWords += 1
            }
            english += Self.cost(word.letters, Self.englishCosts)
            other += Self.cost(word.letters, Self.otherCosts)
        }
    }

    private static func cost(_ letters: Int, _ costs: [Double]) -> Double {
        letters <= costs.count ? costs[letters - 1] : costs[costs.count - 1] + 0.45 * Double(letters - costs.count)
    }

    /// Tokens of a word of 1, 2, 3, … ASCII letters, on average.
    private static let englishCosts = [
        1, 1, 1, 1, 1.04, 1.08, 1.12, 1.35, 1.62, 1.85, 2.06, 2.6, 2.8, 3.2, 3.95, 4.8, 5.4, 5.8, 6.3,
    ]
    private static let otherCosts = [
        1, 1.01, 1.07, 1.22, 1.45, 1.63, 1.87, 2.12, 2.41, 2.68, 2.84, 3.12, 3.45, 3.9, 4.2, 4.9, 5.2, 5.6, 6,
    ]

    private static let englishFunctionWords = keys(
        "the and of to in is that for it you with on are this be as not have or was if can will but from at by an")
    private static let otherFunctionWords = keys(
        """
        der die und das den ist nicht von zu mit ein eine auf de la el los las que en un una por con para no se les des le et est pour \
        dans une sur du pas il di che per non yang dan untuk dengan dari pada tidak nie jest na do w si je ne ve bir bu cua khong va \
        um uma os da ja ei att det som het een van op i och
        """)

    private static func keys(_ words: String) -> Set<UInt64> {
        Set(
            words.split { $0 == " " }.map { word in
                word.utf8.reduce(into: UInt64(0)) { $0 = TokenPieces.Word.key($0, adding: $1) }
            })
    }
}
