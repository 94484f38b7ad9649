/// A step of the English stemmer that is a table. The longest suffix of the table that a word ends
/// in is replaced if it is in the step's region and the letters before it permit. If not, no
/// shorter suffix is tried.
struct EnglishSuffixes: Sendable {
    struct Rule: Sendable {
        let suffix: StaticString
        let replacement: StaticString
        let condition: Condition

        init(_ suffix: StaticString, _ replacement: StaticString, _ condition: Condition = .always) {
            self.suffix = suffix
            self.replacement = replacement
            self.condition = condition
        }
    }

    enum Condition: Sendable {
        case always, afterL, afterSOrT, afterValidLi, inR2
    }

    /// Longest first, so that the first match is the longest.
    let rules: [Rule]

    /// Step 2.
    static let derivational = EnglishSuffixes(rules: [
        Rule("ational", "ate"), Rule("fulness", "ful"), Rule("iveness", "ive"), Rule("ization", "ize"),
        Rule("ousness", "ous"), Rule("biliti", "ble"), Rule("lessli", "less"), Rule("tional", "tion"),
        Rule("alism", "al"), Rule("aliti", "al"), Rule("ation", "ate"), Rule("entli", "ent"), Rule("fulli", "ful"),
        Rule("iviti", "ive"), Rule("ousli", "ous"), Rule("abli", "able"), Rule("alli", "al"), Rule("anci", "ance"),
        Rule("ator", "ate"), Rule("enci", "ence"), Rule("izer", "ize"), Rule("bli", "ble"),
        Rule("ogi", "og", .afterL), Rule("li", "", .afterValidLi),
    ])

    /// Step 3.
    static let adjectival = EnglishSuffixes(rules: [
        Rule("ational", "ate"), Rule("tional", "tion"), Rule("alize", "al"), Rule("ative", "", .inR2),
        Rule("icate", "ic"), Rule("iciti", "ic"), Rule("ical", "ic"), Rule("ness", ""), Rule("ful", ""),
    ])

    /// Step 4, whose region is R2.
    static let residual = EnglishSuffixes(rules: [
        Rule("ement", ""), Rule("able", ""), Rule("ance", ""), Rule("ence", ""), Rule("ible", ""), Rule("ment", ""),
        Rule("ant", ""), Rule("ate", ""), Rule("ent", ""), Rule("ion", "", .afterSOrT), Rule("ism", ""),
        Rule("iti", ""), Rule("ive", ""), Rule("ize", ""), Rule("ous", ""), Rule("al", ""), Rule("er", ""),
        Rule("ic", ""),
    ])

    /// Applies the step to `word`.
    func apply(to word: inout [UInt8], regionStart: Int, r2: Int) {
        guard let rule = rules.first(where: { word.hasSuffix($0.suffix) }) else { return }
        let start = word.count - rule.suffix.utf8CodeUnitCount
        guard start >= regionStart, rule.condition.holds(for: word, suffixStart: start, r2: r2) else { return }
        word.replaceLast(rule.suffix.utf8CodeUnitCount, by: rule.replacement)
    }
}

extension EnglishSuffixes.Condition {
    fileprivate func holds(for word: [UInt8], suffixStart: Int, r2: Int) -> Bool {
        let before = suffixStart > 0 ? word[suffixStart - 1] : 0
        return switch self {
        case .always: true
        case .inR2: suffixStart >= r2
        case .afterL: before == UInt8(ascii: "l")
        case .afterSOrT: before == UInt8(ascii: "s") || before == UInt8(ascii: "t")
        case .afterValidLi:
            switch before {
            case UInt8(ascii: "c"), UInt8(ascii: "d"), UInt8(ascii: "e"), UInt8(ascii: "g"), UInt8(ascii: "h"),
                UInt8(ascii: "k"), UInt8(ascii: "m"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                true
            default: false
            }
        }
    }
}

extension UInt8 {
    /// The stemmer's vowels.
    var isVowel: Bool {
        switch self {
        case UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "u"),
            UInt8(ascii: "y"):
            true
        default: false
        }
    }
}

extension [UInt8] {
    func equals(_ word: StaticString) -> Bool {
        count == word.utf8CodeUnitCount && hasSuffix(word)
    }

    func hasPrefix(_ prefix: StaticString) -> Bool {
        matches(prefix, at: 0)
    }

    func hasSuffix(_ suffix: StaticString) -> Bool {
        matches(suffix, at: count - suffix.utf8CodeUnitCount)
    }

    mutating func replaceLast(_ length: Int, by replacement: StaticString) {
        removeLast(length)
        replacement.withUTF8Buffer { append(contentsOf: $0) }
    }

    private func matches(_ part: StaticString, at start: Int) -> Bool {
        let length = part.utf8CodeUnitCount
        guard start >= 0, start + length <= count else { return false }
        return part.withUTF8Buffer { bytes in
            // Compares from the end, where the suffixes of a table differ first.
            for offset in (0..<length).reversed() where self[start + offset] != bytes[offset] { return false }
            return true
        }
    }
}
