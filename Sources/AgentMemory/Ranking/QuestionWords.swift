/// The words that make a sentence a question and say nothing about what is asked for.
enum QuestionWords {
    /// Not among them: may, can, will and might, which are a month and nouns too.
    private static let words = """
        what when where who whom whose which why how do did does is are was were be been being has have had \
        would could should
        """

    /// As the analyser gives them.
    private static let stems = Set(TextAnalyzer().words(in: words))

    /// The positions of the words that are none of them; all positions where nothing else is left.
    static func kept(of words: [String]) -> [Int] {
        let kept = words.indices.filter { !stems.contains(words[$0]) }
        return kept.isEmpty ? Array(words.indices) : kept
    }
}
