import AgentMemory

/// How the tokenizer of BERT treats a character.
///
/// The published implementation has tables of Unicode 8 for general categories and older ones for
/// decompositions, while the standard library's are newer. A later character is treated as the
/// published tokenizer treats it: as one without a category. Changes of other Unicode versions to
/// older characters are listed by value. The tests compare every character below U+20000 with the
/// published tokenizer.
enum BertCharacter {
    /// The version whose categories count.
    private static let version = 8

    /// Whether the character is removed: U+0000, U+FFFD, controls other than tab and line ends,
    /// format characters, private use.
    static func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D: return false
        case 0, 0xFFFD: return true
        default: break
        }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .control, .format, .privateUse: return isKnown(properties)
        default: return false
        }
    }

    static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }

    /// Whether the character is always a word of its own: all of ASCII that is neither letter,
    /// digit, blank nor control, and the punctuation of other scripts.
    static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        case ..<0x80: return false
        case 0x166D, 0x111C9: return true  // were punctuation in Unicode 8
        default: break
        }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return isKnown(properties)
        default: return false
        }
    }

    /// Whether the character is an ideograph, which is a word of its own. The fifth block starts at
    /// U+2B920, as in the published tokenizer, and not at U+2B820.
    static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    /// Passes the canonical decomposition of `scalar` without accents (nonspacing marks) to `body`.
    static func stripAccents(_ scalar: Unicode.Scalar, _ body: (Unicode.Scalar) -> Void) {
        // Its decomposition was added in Unicode 13.
        if scalar.value == 0x11938 { return body(scalar) }
        // The remaining marks could change places only among themselves, and only some of musical
        // notation and two tone marks of Hangul remain at all.
        CanonicalDecomposition.decompose(scalar) { part in
            if !isAccent(part) { body(part) }
        }
    }

    private static func isAccent(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case ..<0x300: return false
        case 0x1734, 0x1171E: return true  // were nonspacing marks in Unicode 8
        case 0x1885, 0x1886, 0xA9BD, 0x111C9: return false  // were not
        default: break
        }
        let properties = scalar.properties
        return properties.generalCategory == .nonspacingMark && isKnown(properties)
    }

    private static func isKnown(_ properties: Unicode.Scalar.Properties) -> Bool {
        properties.age.map { $0.major <= version } ?? false
    }
}
