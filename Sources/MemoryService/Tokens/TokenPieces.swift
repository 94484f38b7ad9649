/// Splits a text as the pattern of cl100k_base does:
///
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
struct TokenPieces: Sequence, IteratorProtocol {
    enum Piece: Equatable {
        /// A contraction such as `'ll`, which is one token.
        case single
        /// One to three digits.
        case digits(Int, isASCII: Bool)
        case blanks(Int)
        /// Punctuation and the like: ASCII characters, marks of scripts that put vowels into them,
        /// and other characters.
        case symbols(ascii: Int, marks: Int, others: Int)
        /// Letters, optionally after one other character.
        case word(Word)
    }

    struct Word: Equatable {
        enum Shape: Equatable {
            /// ASCII letters, lower case except possibly the first.
            case plain
            /// ASCII letters, all upper case.
            case capitals
            /// ASCII letters, upper and lower case mixed.
            case mixed
            /// Latin letters, some beyond ASCII.
            case accented
        }

        var letters = 0
        var shape = Shape.plain
        /// The script, if it is not Latin.
        var script: LetterScript?
        /// The small ASCII letters of a plain word, packed; 0 for one of more than eight.
        var key: UInt64 = 0

        static func key(_ key: UInt64, adding byte: UInt8) -> UInt64 {
            key << 8 | UInt64(byte)
        }
    }

    private enum Kind {
        case letter, number, newline, blank, other
    }

    private let scalars: String.UnicodeScalarView
    private var position: String.UnicodeScalarView.Index

    init(_ text: String) {
        scalars = text.unicodeScalars
        position = scalars.startIndex
    }

    mutating func next() -> Piece? {
        guard position < scalars.endIndex else { return nil }
        let first = scalars[position]
        let kind = Self.kind(first)
        if first == "'", let length = contraction() {
            scalars.formIndex(&position, offsetBy: length)
            return .single
        }
        switch kind {
        case .letter:
            return .word(word())
        case .number:
            return digits()
        case .newline:
            return blanks()
        case .blank, .other:
            let after = scalars.index(after: position)
            let next = after < scalars.endIndex ? Self.kind(scalars[after]) : nil
            if next == .letter {
                position = after
                return .word(word())
            }
            if kind == .other { return symbols() }
            guard first == " ", next == .other else { return blanks() }
            position = after
            return symbols()
        }
    }

    private mutating func take(_ kind: Kind, limit: Int = .max, _ body: (Unicode.Scalar) -> Void) {
        var count = 0
        while position < scalars.endIndex, count < limit, Self.kind(scalars[position]) == kind {
            body(scalars[position])
            scalars.formIndex(after: &position)
            count += 1
        }
    }

    private mutating func word() -> Word {
        var word = Word()
        var capitals = 0
        var startsCapital = false
        take(.letter) { scalar in
            word.letters += 1
            if scalar.isASCII {
                let byte = UInt8(truncatingIfNeeded: scalar.value)
                if byte < 0x61 {
                    capitals += 1
                    if word.letters == 1 { startsCapital = true }
                }
                word.key = word.letters <= 8 ? Word.key(word.key, adding: byte | 0x20) : 0
            } else if let script = LetterScript(scalar) {
                word.script = script
            } else {
                word.shape = .accented
            }
        }
        if word.shape == .plain, capitals > 0, !(capitals == 1 && startsCapital) {
            word.shape = capitals == word.letters ? .capitals : .mixed
        }
        return word
    }

    private mutating func digits() -> Piece {
        var count = 0
        var isASCII = true
        take(.number, limit: 3) { scalar in
            count += 1
            if !scalar.isASCII { isASCII = false }
        }
        return .digits(count, isASCII: isASCII)
    }

    private mutating func symbols() -> Piece {
        var ascii = 0
        var marks = 0
        var others = 0
        take(.other) { scalar in
            switch scalar.value {
            case ..<0x80: ascii += 1
            case 0x0900..<0x0F00: marks += 1
            default: others += 1
            }
        }
        take(.newline) { _ in }
        return .symbols(ascii: ascii, marks: marks, others: others)
    }

    /// A run of white space: up to its last line break if it has one, else without the last blank
    /// if that belongs to a following word.
    private mutating func blanks() -> Piece {
        var end = position
        var count = 0
        var lastBreak: (index: String.UnicodeScalarView.Index, count: Int)?
        while end < scalars.endIndex {
            let kind = Self.kind(scalars[end])
            guard kind == .blank || kind == .newline else { break }
            scalars.formIndex(after: &end)
            count += 1
            if kind == .newline { lastBreak = (end, count) }
        }
        if let lastBreak {
            position = lastBreak.index
            return .blanks(lastBreak.count)
        }
        if end < scalars.endIndex, count > 1 {
            scalars.formIndex(before: &end)
            count -= 1
        }
        position = end
        return .blanks(count)
    }

    /// The length of the contraction at this position.
    private func contraction() -> Int? {
        let next = scalars[position...].dropFirst().prefix(2).map { $0.properties.lowercaseMapping }
        guard let first = next.first else { return nil }
        if ["s", "t", "m", "d"].contains(first) { return 2 }
        return ["re", "ve", "ll"].contains(next.joined()) ? 3 : nil
    }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        switch scalar.value {
        case 0x61...0x7A, 0x41...0x5A: return .letter
        case 0x30...0x39: return .number
        case 0x0A, 0x0D: return .newline
        case 0x20, 0x09, 0x0B, 0x0C: return .blank
        case ..<0x80: return .other
        default: break
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        default: return scalar.properties.isWhitespace ? .blank : .other
        }
    }
}

/// Scripts grouped by the number of tokens per letter. A word has `base` + `perLetter` · letters
/// tokens.
enum LetterScript: Equatable {
    case greek, cyrillic, hebrew, arabic, devanagari, indic, thai, hangul, kana, han, other

    /// `nil` for Latin letters.
    init?(_ letter: Unicode.Scalar) {
        switch letter.value {
        case ..<0x0370, 0x1E00..<0x1F00: return nil
        case 0x0370..<0x0400, 0x1F00..<0x2000: self = .greek
        case 0x0400..<0x0530: self = .cyrillic
        case 0x0590..<0x0600: self = .hebrew
        case 0x0600..<0x0780: self = .arabic
        case 0x0900..<0x0980: self = .devanagari
        case 0x0980..<0x0E00: self = .indic
        case 0x0E00..<0x0E80: self = .thai
        case 0x1100..<0x1200, 0x3130..<0x3190, 0xAC00..<0xD7B0: self = .hangul
        case 0x3040..<0x3100: self = .kana
        case 0x3400..<0xA000, 0x20000..<0x32000: self = .han
        default: self = .other
        }
    }

    var base: Double {
        switch self {
        case .greek: 0.19
        case .cyrillic: 0.49
        case .hebrew: 0.61
        case .arabic: 0.78
        case .devanagari: 0.53
        case .indic: 0.78
        case .thai: 0.61
        case .hangul: 0.75
        case .kana: 0.72
        case .han: 0.45
        case .other: 0.5
        }
    }

    var perLetter: Double {
        switch self {
        case .greek: 1.01
        case .cyrillic: 0.46
        case .hebrew: 1.05
        case .arabic: 0.67
        case .devanagari: 1.26
        case .indic: 1.66
        case .thai: 0.97
        case .hangul: 0.88
        case .kana: 0.89
        case .han: 0.98
        case .other: 2
        }
    }
}
