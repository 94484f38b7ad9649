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
            // Marks stay with their letters.
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

    @Test(
        arguments: [
            ("我喜欢喝绿茶", ["我喜", "喜欢", "欢喝", "喝绿", "绿茶"]), ("绿茶", ["绿茶"]), ("茶", ["茶"]), ("茶 茶", ["茶", "茶"]),
            ("茶茶茶", ["茶茶", "茶茶"]), ("漢字かな交じり文。次", ["漢字", "字か", "かな", "な交", "交じ", "じり", "り文", "次"]),
            // Other words begin and end where the script changes; digits are of no script.
            ("iPhone手机", ["iphon", "手机"]), ("手机iPhones手机", ["手机", "iphon", "手机"]), ("第3章", ["第", "3", "章"]),
            ("2026年11月28日", ["2026", "年", "11", "月", "28", "日"]), ("Ünï手机Ж", ["ünï", "手机", "ж"]),
            ("ปี๒๕๖๗", ["ปี", "๒๕๖๗"]), ("한국語學", ["한국", "語學"]), ("snake_手机", ["snake", "手机"]),
            // Vowels and tones are marks or letters of their own; marks go with their letter.
            ("ภาษาไทย ดี", ["ภา", "าษ", "ษา", "าไ", "ไท", "ทย", "ดี"]), ("กินน้ำ", ["กิน", "นน้", "น้ำ"]),
            ("ພາສາ", ["ພາ", "າສ", "ສາ"]), ("ភាសាខ្មែរ", ["ភាសា", "សាខ្", "ខ្មែ", "មែរ"]),
            ("မြန်မာ", ["မြန်", "န်မာ"]), ("葛\u{E0100}城市", ["葛\u{E0100}城", "城市"]),
            ("\u{FE0F}手机", ["\u{FE0F}手机"]), ("a\u{301}手\u{301}机", ["á", "手\u{301}机"]),
            ("か\u{3099}き", ["がき"]),
            // Half-width kana with marks, long vowels, repetition marks, planes above the first.
            ("ｶﾞｷﾞｸ", ["ｶﾞｷﾞ", "ｷﾞｸ"]), ("タワー", ["タワ", "ワー"]), ("ﾀﾜｰ", ["ﾀﾜ", "ﾜｰ"]), ("人々", ["人々"]),
            ("𠮷野家", ["𠮷野", "野家"]), ("𠀀𠀁𠀂", ["𠀀𠀁", "𠀁𠀂"]), ("\u{2F800}x", ["\u{4E3D}", "x"]),
        ] as [(String, [String])])
    func `pairs the letters of scripts without blanks`(text: String, words: [String]) {
        let found = analyzer.words(in: text)
        #expect(found.map { Array($0.unicodeScalars) } == words.map { Array($0.unicodeScalars) })
    }

    @Test func `a phrase of a script without blanks is a run of pairs`() {
        #expect(analyzer.query("\"喝绿茶\" tea") == KeywordQuery(words: ["喝绿", "绿茶", "tea"], phrases: [["喝绿", "绿茶"]]))
        #expect(analyzer.query("\"iPhone手机壳\"").phrases == [["iphon", "手机", "机壳"]])
    }

    @Test func `the first analysis keeps its words`() {
        #expect(TextAnalyzer(.wholeRuns).words(in: "我喜欢 iPhone手机 ภาษาไทย") == ["我喜欢", "iphone手机", "ภาษาไทย"])
    }

    @Test func `stops within a run without blanks`() {
        for text in ["字", "字a", "字 ", "字1é"].map({ String(repeating: $0, count: 12_000) }) {
            #expect(analyzer.words(in: text).count == TextAnalyzer.maximumWordsPerText)
        }
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
            "a", "Y", "ay", "é", "İ", "\u{301}", "a\u{301}\u{323}", "\u{1112}\u{1161}\u{11AB}", "\u{1F600}",
        ])
    func `takes time linear in one word`(part: String) {
        let text = String(repeating: part, count: 1_000_000 / part.utf8.count)
        #expect(analyzer.words(in: text).count <= 1)
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["字", "กิ", "ｶﾞ", "字\u{301}\u{E0100}", "𠮷", "字a"])
    func `takes time linear in a run without blanks`(part: String) {
        let text = String(repeating: part, count: 1_000_000 / part.utf8.count)
        #expect(analyzer.words(in: text).count == TextAnalyzer.maximumWordsPerText)
    }

    @Test(.timeLimit(.minutes(1))) func `pairs with many marks are short words`() {
        let text = "字字" + String(repeating: "\u{301}", count: 300_000) + "字字"
        #expect(analyzer.words(in: text).map(\.utf8.count) == [128, 127, 6])
    }

    @Test func `long words stay whole and distinct`() {
        let limit = TextAnalyzer.maximumBytesPerWord
        let fitting = String(repeating: "x", count: limit)
        #expect(analyzer.words(in: fitting) == [fitting])
        for part in ["x", "ж"] {
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
