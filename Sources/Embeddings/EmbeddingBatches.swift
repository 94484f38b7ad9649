/// Divides a list of texts into requests.
enum EmbeddingBatches {
    /// Consecutive ranges of `texts`, each within both limits; a text above `maximumBytes` is a
    /// range of its own.
    static func ranges(of texts: [String], maximumTexts: Int, maximumBytes: Int) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0
        var bytes = 0
        for (index, text) in texts.enumerated() {
            let size = text.utf8.count
            if index > start, index - start >= max(1, maximumTexts) || bytes + size > maximumBytes {
                ranges.append(start..<index)
                start = index
                bytes = 0
            }
            bytes += size
        }
        if start < texts.count { ranges.append(start..<texts.count) }
        return ranges
    }
}
