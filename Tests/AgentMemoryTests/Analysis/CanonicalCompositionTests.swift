import Foundation
import Testing

@testable import AgentMemory

@Suite struct CanonicalCompositionTests {
    @Test(arguments: [
        // Inert text stays as it is.
        ("", ""), ("plain", "plain"), ("naïve", "naïve"), ("漢字 한글 😀", "漢字 한글 😀"),
        // A mark composes with the character before it, and across other marks where none blocks
        // it.
        ("e\u{301}", "\u{E9}"), ("xe\u{301}y", "x\u{E9}y"), ("a\u{323}\u{302}", "\u{1EAD}"),
        ("a\u{302}\u{323}", "\u{1EAD}"), ("\u{E2}\u{323}", "\u{1EAD}"), ("q\u{307}\u{323}", "q\u{323}\u{307}"),
        ("a\u{315}\u{300}\u{5AE}b", "\u{E0}\u{5AE}\u{315}b"), ("\u{301}e", "\u{301}e"), ("=\u{338}a", "≠a"),
        // A mark of the same class blocks.
        ("a\u{5AE}\u{300}\u{301}", "\u{E0}\u{5AE}\u{301}"), ("e\u{301}\u{301}", "\u{E9}\u{301}"),
        // Doubles and characters that are excluded from composition.
        ("\u{212B}\u{2126}\u{212A}", "\u{C5}\u{3A9}K"), ("\u{958}", "\u{915}\u{93C}"), ("\u{F900}", "\u{8C48}"),
        ("\u{344}", "\u{308}\u{301}"), ("\u{2ADC}", "\u{2ADD}\u{338}"), ("\u{1D15E}", "\u{1D157}\u{1D165}"),
        ("a\u{301}\u{F73}", "\u{E1}\u{F71}\u{F72}"),
        // Hangul.
        ("\u{1112}\u{1161}\u{11AB}", "\u{D55C}"), ("\u{D558}\u{11AB}", "\u{D55C}"),
        ("\u{D55C}\u{11AB}", "\u{D55C}\u{11AB}"),
        ("\u{1100}\u{1161}\u{11A7}", "\u{AC00}\u{11A7}"),
        // Beyond the Basic Multilingual Plane, alone and with marks from within it.
        ("\u{11099}\u{110BA}", "\u{1109A}"), ("\u{10430}\u{308}", "\u{10430}\u{308}"),
    ])
    func composes(text: String, expected: String) {
        #expect(Array(composed(text).unicodeScalars) == Array(expected.unicodeScalars))
    }

    /// What is inert alone must be so in company: it neither has parts nor is it ever the second of
    /// a pair.
    @Test func `inert scalars are starters in composed form`() {
        for scalar in (UInt32(0)...0x10FFFF).lazy.compactMap(Unicode.Scalar.init)
        where CanonicalComposition.isInert(scalar) && scalar.properties.generalCategory != .unassigned {
            guard scalar.properties.canonicalCombiningClass.rawValue == 0,
                String(scalar).precomposedStringWithCanonicalMapping.unicodeScalars.elementsEqual([scalar])
            else {
                Issue.record("U+\(String(scalar.value, radix: 16)) is not inert")
                continue
            }
        }
    }

    /// Scalars of Unicode 14 alone and next to others, as Foundation has them, whose data are not
    /// the newest. Left out are the three that it puts in the wrong order.
    @Test func `agrees with foundation on short text`() {
        for scalar in (UInt32(0x80)...0x2FFF).lazy.compactMap(Unicode.Scalar.init)
        where scalar.properties.age.map({ $0.major <= 14 }) == true && ![0xF73, 0xF75, 0xF81].contains(scalar.value) {
            for text in [String(scalar), "a\(scalar)", "e\u{323}\(scalar)", "\(scalar)\u{308}\u{323}"] {
                let expected = Array(text.precomposedStringWithCanonicalMapping.unicodeScalars)
                if Array(composed(text).unicodeScalars) != expected {
                    Issue.record("U+\(String(scalar.value, radix: 16)) in \(Array(text.unicodeScalars))")
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `takes long rows of marks`() {
        let marks = String(repeating: "\u{301}\u{323}", count: 250_000)
        let result = composed("a" + marks).unicodeScalars
        #expect(result.count == 500_000)
        #expect(result.first == "\u{1EA1}")
        #expect(result.last == "\u{301}")
    }

    private func composed(_ text: String) -> String {
        var text = text
        return text.withUTF8 { bytes in
            CanonicalComposition.compose(bytes).map { String(decoding: $0, as: UTF8.self) }
        } ?? text
    }
}
