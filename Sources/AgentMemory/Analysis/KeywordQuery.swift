/// A keyword query as ``TextAnalyzer/query(_:)`` understood it: the words to search for and the
/// phrases that must occur.
///
/// A record matches if it contains at least one of ``words``, and every one of ``phrases`` as
/// consecutive words. The value has analysed words only, never the query's punctuation.
public struct KeywordQuery: Sendable, Equatable {
    /// The distinct words, in order of first appearance. The words of phrases are among them.
    public let words: [String]

    /// The words of each quoted phrase in their order, repeated ones included. No phrase is empty
    /// and none is listed twice.
    public let phrases: [[String]]

    /// Whether the query has no words. Such a query matches no record.
    public var isEmpty: Bool { words.isEmpty }

    public init(words: [String], phrases: [[String]]) {
        self.words = words
        self.phrases = phrases
    }

    /// The same phrases with only these of the words.
    public func keeping(_ words: [String]) -> KeywordQuery {
        let kept = Set(words.map(ExactString.init))
        return KeywordQuery(words: self.words.filter { kept.contains(ExactString($0)) }, phrases: phrases)
    }
}

extension [String] {
    /// Whether `run` occurs in the words, without a gap.
    public func containsRun(_ run: [String]) -> Bool {
        guard !run.isEmpty, run.count <= count else { return run.isEmpty }
        return (0...count - run.count).contains { start in
            self[start..<start + run.count].elementsEqual(run)
        }
    }
}
