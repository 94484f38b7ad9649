import Testing

@testable import AgentMemory

@Suite struct KeywordQueryTests {
    let analyzer = TextAnalyzer()

    @Test(
        arguments: [
            ("", [], []), ("?!", [], []),
            ("Cats cat CATS dog", ["cat", "dog"], []),
            (#"find "running shoes" now"#, ["find", "run", "shoe", "now"], [["run", "shoe"]]),
            (#""a b" "c""#, ["a", "b", "c"], [["a", "b"], ["c"]]),
            // The words of a phrase keep their repetitions, in words they are listed once.
            (#""to be or not to be" or"#, ["to", "be", "or", "not"], [["to", "be", "or", "not", "to", "be"]]),
            // Duplicates by analysis, phrases without a word, quotes without a partner, other
            // quotation marks.
            (#""big cat" "BIG cats""#, ["big", "cat"], [["big", "cat"]]),
            (#""" " " "…" x"#, ["x"], []),
            (#"the "open end"#, ["the", "open", "end"], []),
            (#"6" x "wide screen" tv"#, ["6", "x", "wide", "screen", "tv"], [["x"]]),
            ("“curly quotes” stay words", ["cur", "quot", "stay", "word"], []),
            (#"pre"mid dle"post"#, ["pre", "mid", "dle", "post"], [["mid", "dle"]]),
            (#"say \"hi there\""#, ["say", "hi", "there"], [["hi", "there"]]),
        ] as [(String, [String], [[String]])])
    func reads(text: String, words: [String], phrases: [[String]]) {
        let query = analyzer.query(text)
        #expect(query.words == words)
        #expect(query.phrases == phrases)
        #expect(query.isEmpty == words.isEmpty)
    }

    @Test func `counts the words of all parts`() {
        let many = (0..<9_999).map { "w\($0)" }.joined(separator: " ")
        let query = analyzer.query(many + #" "last one" "after""#)
        #expect(query.words.count == TextAnalyzer.maximumWordsPerText)
        #expect(query.phrases == [["last"]])
    }

    @Test func `uses the words of texts`() {
        let text = "Élan vital_force, 42 STRASSEN"
        #expect(analyzer.query(text).words == analyzer.words(in: text))
    }
}
