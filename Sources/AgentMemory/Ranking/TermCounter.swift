/// Counts given words in texts of analysed words that stand apart by blanks, as backends keep them.
public struct TermCounter: Sendable {
    private let words: [[UInt8]]
    /// The length and the first byte of each word in one number, by which nearly every word of a
    /// text is passed over without a look at the words themselves.
    private let keys: [Int]
    /// Whether one of the words begins with a byte.
    private let firstBytes: [Bool]

    /// - Parameter words: as the analyser gives them; no word is empty or holds a blank.
    public init(_ words: [String]) {
        self.words = words.map { Array($0.utf8) }
        keys = self.words.map { Self.key(length: $0.count, first: $0.first ?? 0) }
        var firstBytes = [Bool](repeating: false, count: 256)
        for word in self.words { firstBytes[Int(word.first ?? 0)] = true }
        self.firstBytes = firstBytes
    }

    /// How often each of the words stands in the text, and how many words the text has.
    public func count(_ text: some Collection<UInt8>) -> (frequencies: [Int], length: Int) {
        text.withContiguousStorageIfAvailable(count(bytes:)) ?? Array(text).withUnsafeBufferPointer(count(bytes:))
    }

    private static func key(length: Int, first: UInt8) -> Int { length << 8 | Int(first) }

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
            guard firstBytes[Int(bytes[start])] else { continue }
            let key = Self.key(length: index - start, first: bytes[start])
            for position in keys.indices where keys[position] == key {
                guard words[position].elementsEqual(UnsafeBufferPointer(rebasing: bytes[start..<index])) else {
                    continue
                }
                frequencies[position] += 1
                break
            }
        }
        return (frequencies, length)
    }
}
