/// English words that say little about the subject of a text. There are no document frequencies to
/// weigh words by, and without a weight "is the" would bring two texts as near as a shared name
/// does.
enum FunctionWords {
    static func contains(_ word: String) -> Bool {
        word.utf8.count <= 5 && words.contains(word)
    }

    /// As the analyser stems them.
    private static let words: Set<String> = [
        "a", "about", "am", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
        "doe", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is",
        "it", "its", "me", "my", "of", "on", "or", "our", "s", "she", "so", "t", "than", "that", "the", "their", "them",
        "then", "there", "these", "they", "this", "those", "to", "was", "we", "were", "what", "when", "where", "which",
        "who", "will", "with", "would", "you", "your",
    ]
}
