/// Counts given words in texts of analysed words that stand apart by blanks, as backends keep them.
public struct TermCounter: Sendable {
    private let words: [[UInt8]]

    /// - Parameter words: as the analyser gives them; no word holds a blank.
    public init(_ words: [String]) {
        self.words = words.map { Array($0.utf8) }
    }

    /// How often each of the words stands in the text, and how many words the text has.
    public func count(_ text: some Collection<UInt8>) -> (frequencies: [Int], length: Int) {
        text.withContiguousStorageIfAvailable(count(bytes:)) ?? Array(text).withUnsafeBufferPointer(count(bytes:))
    }

    private func count(bytes: UnsafeBufferPointer<UInt8>) -> (frequencies: [Int], length: Int) {
        var frequencies = [Int](repeating: 0, count: words.count)
        var length = 0
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: " ") {
                index += 1
                continue
            }
            let start = index
            while index < bytes.count, bytes[index] != UInt8(ascii: " ") { index += 1 }
            length += 1
            for (position, word) in words.enumerated()
            where word.count == index - start && word[0] == bytes[start]
                && word.elementsEqual(UnsafeBufferPointer(rebasing: bytes[start..<index]))
            {
                frequencies[position] += 1
                break
            }
        }
        return (frequencies, length)
    }
}
