import Foundation
import Testing

@testable import AgentMemory

@Suite struct TextAnalyzerTests {
    let analyzer = TextAnalyzer()

    @Test(
        arguments: [
            ("", []), (" \t\n", []), ("…—!?", []),
            ("The cats were running", ["the", "cat", "were", "run"]),
            ("snake_case camelCase kebab-case", ["snake", "case", "camelcas", "kebab", "case"]),
            ("don't o'clock", ["don", "t", "o", "clock"]),
            ("v2.10 3,5 x1", ["v2", "10", "3", "5", "x1"]),
            ("a@b.com C++ #tag", ["a", "b", "com", "c", "tag"]),
            (
                "NUL\u{0}byte soft\u{AD}hyphen no\u{A0}break zero\u{200B}width",
                [
                    "nul", "byte", "soft", "hyphen", "no", "break", "zero", "width",
                ]
            ),
        ] as [(String, [String])])
    func `splits ASCII and punctuation`(text: String, words: [String]) {
        #expect(analyzer.words(in: text) == words)
    }

    @Test(
        arguments: [
            ("Straße STRASSE", ["strass", "strass"]), ("ÉCOLE École e\u{301}cole", ["école", "école", "école"]),
            ("ΣΊΣΥΦΟΣ σίσυφος", ["σίσυφοσ", "σίσυφοσ"]), ("ПРИВЕТ, Мир", ["привет", "мир"]),
            ("İstanbul", ["i\u{307}stanbul"]), ("T\u{308}est", ["ẗest"]), ("J\u{30C}", ["ǰ"]),
            ("ﬁnding ﬁshes", ["find", "fish"]), ("\u{212A}elvin", ["kelvin"]), ("ᏣᎳᎩ ꮳꮃꭹ", ["ᏣᎳᎩ", "ᏣᎳᎩ"]),
            ("“quoted” ‘single’ «guillemets»", ["quot", "singl", "guillemet"]),
            // Scripts without blanks are one word a run; marks stay with their letters.
            ("漢字かな交じり文。次", ["漢字かな交じり文", "次"]), ("ภาษาไทย ดี", ["ภาษาไทย", "ดี"]),
            ("हिन्दी में", ["हिन्दी", "में"]), ("한국어 텍스트", ["한국어", "텍스트"]),
            ("\u{1112}\u{1161}\u{11AB}", ["한"]), ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]), ("مَرْحَبًا بك", ["مَرْحَبًا", "بك"]),
            ("\u{202E}rtl\u{202C} x", ["rtl", "x"]),
            // Decimal digits of all scripts count, other numbers do not.
            ("٣٤ ५६ Ⅷ ½ x²", ["٣٤", "५६", "x"]),
            // Marks alone are not a word; marks before a letter belong to its run.
            ("\u{FE0F}", []), ("❤\u{FE0F}", []), ("❤\u{FE0F}love", ["\u{FE0F}love"]), ("\u{301} \u{20DD}", []),
            ("👩🏽‍🚀 🇩🇪 5\u{FE0F}\u{20E3}", ["5\u{FE0F}\u{20E3}"]), ("a\u{200D}b", ["a", "b"]),
            ("≠x =\u{338}x", ["x", "x"]), ("\u{FFFD}\u{FEFF}x\u{E000}y\u{10FFFF}", ["x", "y"]),
            ("𝐀bc 𐐀𐐁", ["𝐀bc", "𐐨𐐩"]), ("\u{10430}\u{308}", ["\u{10430}\u{308}"]),
        ] as [(String, [String])])
    func `folds and splits Unicode`(text: String, words: [String]) {
        let found = analyzer.words(in: text)
        // Strings compare by canonical equivalence; here every scalar counts.
        #expect(found.map { Array($0.unicodeScalars) } == words.map { Array($0.unicodeScalars) })
    }

    @Test func `keeps repeated words and stop words`() {
        #expect(analyzer.words(in: "to be or not to be") == ["to", "be", "or", "not", "to", "be"])
    }

    @Test func `stops after the first words`() {
        let text = (0..<12_000).map { "w\($0)" }.joined(separator: " ")
        let words = analyzer.words(in: text)
        #expect(words.count == TextAnalyzer.maximumWordsPerText)
        #expect(words.last == "w9999")
        #expect(analyzer.words(in: String(repeating: "é ", count: 12_000)).count == TextAnalyzer.maximumWordsPerText)
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            "a", "Y", "ay", "é", "İ", "字", "\u{301}", "a\u{301}\u{323}", "\u{1112}\u{1161}\u{11AB}", "\u{1F600}",
        ])
    func `takes time linear in one word`(part: String) {
        let text = String(repeating: part, count: 1_000_000 / part.utf8.count)
        #expect(analyzer.words(in: text).count <= 1)
    }

    @Test func `long words stay whole and distinct`() {
        let limit = TextAnalyzer.maximumBytesPerWord
        let fitting = String(repeating: "x", count: limit)
        #expect(analyzer.words(in: fitting) == [fitting])
        for part in ["x", "字"] {
            let word = String(repeating: part, count: 200)
            let short = analyzer.words(in: word)
            #expect(short.count == 1)
            #expect(short[0].utf8.count <= limit)
            #expect(short[0].hasPrefix(String(repeating: part, count: 20)))
            #expect(analyzer.words(in: word.uppercased()) == short)
            #expect(analyzer.words(in: word + part) != short)
            #expect(analyzer.words(in: short[0]) == short)
        }
    }

    @Test func `agrees on equivalent spellings`() {
        let text = "Ậ Ǭ ΐ Ω가"
        let decomposed = String(text.flatMap { String($0).decomposedStringWithCanonicalMapping })
        #expect(analyzer.words(in: text) == analyzer.words(in: decomposed))
    }
}
