import Foundation

/// Which characters are canonically equivalent to which sequences: the data of Unicode
/// normalisation.
///
/// The standard library does not publish these data. Foundation normalises single characters
/// correctly, so the data are taken from it, one character at a time. This takes about 20
/// milliseconds, when the first text needs them.
struct CompositionData: Sendable {
    static let shared = CompositionData()

    private struct Pair: Hashable {
        let first: Unicode.Scalar
        let second: Unicode.Scalar
    }

    private var decompositions: [Unicode.Scalar: [Unicode.Scalar]] = [:]
    private var composites: [Pair: Unicode.Scalar] = [:]

    /// Passes the full canonical decomposition of `scalar` to `body`, in order.
    func decompose(_ scalar: Unicode.Scalar, _ body: (Unicode.Scalar) -> Void) {
        if let syllable = Hangul.index(of: scalar) {
            Hangul.decompose(syllable, body)
        } else if scalar.value >= 0xC0, let decomposition = decompositions[scalar] {
            decomposition.forEach(body)
        } else {
            body(scalar)
        }
    }

    /// The primary composite of two scalars, or nil if there is none.
    func composite(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
        Hangul.composite(first, second) ?? composites[Pair(first: first, second: second)]
    }

    // MARK: Asking Foundation

    /// The ranges of characters with a decomposition, generously bounded. Hangul syllables are
    /// computed.
    private static let ranges: [ClosedRange<UInt32>] = [
        0xC0...0x30FF, 0xF900...0xFB4F, 0x10500...0x16FFF, 0x1D15E...0x1D1C0, 0x2F800...0x2FA1F,
    ]

    private init() {
        for value in Self.ranges.joined() {
            guard let scalar = Unicode.Scalar(value), scalar.properties.generalCategory != .unassigned else { continue }
            let text = String(scalar)
            let parts = Array(text.decomposedStringWithCanonicalMapping.unicodeScalars)
            guard parts != [scalar] else { continue }
            decompositions[scalar] = parts
            // Characters that are excluded from composition stay decomposed.
            guard let second = parts.last, parts.count > 1,
                text.precomposedStringWithCanonicalMapping.unicodeScalars.elementsEqual([scalar])
            else { continue }
            // The first part may itself be composed; here it is one character.
            var prefix = String.UnicodeScalarView()
            prefix.append(contentsOf: parts.dropLast())
            let first = Array(String(prefix).precomposedStringWithCanonicalMapping.unicodeScalars)
            guard first.count == 1 else { continue }
            composites[Pair(first: first[0], second: second)] = scalar
        }
    }
}

/// The arithmetic of Hangul syllables: chapter 3.12 of the Unicode Standard.
private enum Hangul {
    private static let syllables: UInt32 = 0xAC00
    private static let leads: UInt32 = 0x1100
    private static let vowels: UInt32 = 0x1161
    /// One before the first final consonant, so that 0 is a syllable without one.
    private static let tails: UInt32 = 0x11A7
    private static let leadCount: UInt32 = 19
    private static let vowelCount: UInt32 = 21
    private static let tailCount: UInt32 = 28

    static func index(of scalar: Unicode.Scalar) -> UInt32? {
        let index = scalar.value &- syllables
        return index < leadCount * vowelCount * tailCount ? index : nil
    }

    static func decompose(_ index: UInt32, _ body: (Unicode.Scalar) -> Void) {
        let (block, tail) = index.quotientAndRemainder(dividingBy: tailCount)
        let (lead, vowel) = block.quotientAndRemainder(dividingBy: vowelCount)
        for value in [leads + lead, vowels + vowel] + (tail > 0 ? [tails + tail] : []) {
            if let scalar = Unicode.Scalar(value) { body(scalar) }
        }
    }

    static func composite(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
        let lead = first.value &- leads
        let vowel = second.value &- vowels
        if lead < leadCount, vowel < vowelCount {
            return Unicode.Scalar(syllables + (lead * vowelCount + vowel) * tailCount)
        }
        guard let syllable = index(of: first), syllable % tailCount == 0 else { return nil }
        let tail = second.value &- tails
        return (1..<tailCount).contains(tail) ? Unicode.Scalar(first.value + tail) : nil
    }
}
