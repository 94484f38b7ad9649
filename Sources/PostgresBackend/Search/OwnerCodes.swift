/// The codes of the records that a filter of one user matches, as the store had them at one moment.
struct OwnerCodes: Sendable {
    /// One record with its code.
    struct Entry: Sendable {
        let number: Int64
        let id: String
        fileprivate let words: [UInt64]

        /// - Parameter code: as `varbit_send` writes it: four bytes of length, then the bits.
        /// - Returns: `nil` if the code is of a vector with other dimensions.
        init?(number: Int64, id: String, code: [UInt8], dimensions: Int) {
            guard code.count == 4 + (VectorCodes.planes * dimensions + 7) / 8 else { return nil }
            self.number = number
            self.id = id
            words = OwnerCodes.pack(code.dropFirst(4))
        }
    }

    /// The rows of `memory_owner_changes` that had been read by then.
    private(set) var stamps: ChangeStamps
    /// Of the records, ascending.
    private(set) var numbers: [Int64] = []
    private(set) var ids: [String] = []
    /// ``width`` words for each record.
    private var words: [UInt64] = []
    /// How many words a code has.
    let width: Int

    private init(stamps: ChangeStamps, width: Int) {
        self.stamps = stamps
        self.width = width
    }

    /// - Parameters:
    ///   - dimensions: of the vectors.
    ///   - entries: of different records.
    init(stamps: ChangeStamps, dimensions: Int, _ entries: some Sequence<Entry>) {
        self.init(stamps: stamps, width: Self.width(ofDimensions: dimensions))
        for entry in entries.sorted(by: { $0.number < $1.number }) { append(entry) }
    }

    var count: Int { numbers.count }

    /// The memory that it takes.
    var bytes: Int { count * Self.bytes(ofWidth: width) }

    /// The memory that one record takes, with an id of 26 characters.
    static func bytes(ofDimensions dimensions: Int) -> Int { bytes(ofWidth: width(ofDimensions: dimensions)) }

    private static func bytes(ofWidth width: Int) -> Int { 8 * width + 8 + 16 + 64 }

    static func width(ofDimensions dimensions: Int) -> Int { (VectorCodes.planes * dimensions + 63) / 64 }

    /// The same with other entries for some records.
    ///
    /// - Parameters:
    ///   - changed: the numbers of all records that have changed.
    ///   - entries: those of them that the filter matches.
    ///   - stamps: all rows of changes there are now.
    func replacing(
        _ changed: Set<Int64>, with entries: some Sequence<Entry>, stamps: ChangeStamps
    ) -> OwnerCodes {
        var result = OwnerCodes(stamps: stamps, width: width)
        var added = entries.sorted { $0.number < $1.number }[...]
        for position in numbers.indices where !changed.contains(numbers[position]) {
            while let entry = added.first, entry.number < numbers[position] {
                result.append(entry)
                added = added.dropFirst()
            }
            result.numbers.append(numbers[position])
            result.ids.append(ids[position])
            result.words += words[position * width..<(position + 1) * width]
        }
        for entry in added { result.append(entry) }
        return result
    }

    private mutating func append(_ entry: Entry) {
        numbers.append(entry.number)
        ids.append(entry.id)
        words += entry.words
    }

    /// Bits as words, the last one filled with zeros.
    static func pack(_ bits: some Collection<UInt8>) -> [UInt64] {
        var words: [UInt64] = []
        words.reserveCapacity((bits.count + 7) / 8)
        var word: UInt64 = 0
        var filled = 0
        for byte in bits {
            word = word << 8 | UInt64(byte)
            filled += 1
            if filled == 8 {
                words.append(word)
                (word, filled) = (0, 0)
            }
        }
        if filled > 0 { words.append(word << UInt64(8 * (8 - filled))) }
        return words
    }

    /// The positions of the records whose codes differ least from a code, and of all that differ as
    /// much as the last of them.
    ///
    /// - Parameters:
    ///   - limit: at least one.
    ///   - code: ``width`` words.
    func mostSimilar(_ limit: Int, to code: [UInt64]) -> [Int] {
        precondition(code.count == width)
        // There are few distances, so counting them takes less than sorting all codes.
        var counts = [Int](repeating: 0, count: 64 * width + 1)
        let differing = [Int32](unsafeUninitializedCapacity: count) { differing, initialized in
            words.withUnsafeBufferPointer { words in
                code.withUnsafeBufferPointer { code in
                    for position in 0..<count {
                        var sum = 0
                        let start = position * width
                        for word in 0..<width { sum &+= (words[start &+ word] ^ code[word]).nonzeroBitCount }
                        differing.initializeElement(at: position, to: Int32(truncatingIfNeeded: sum))
                        counts[sum] += 1
                    }
                }
            }
            initialized = count
        }
        var within = 0
        let cut = counts.firstIndex {
            within += $0
            return within >= limit
        }
        guard let cut else { return Array(differing.indices) }
        return differing.indices.filter { differing[$0] <= cut }
    }
}

/// The records that remembered codes have chosen to be measured.
struct RememberedChoice: Equatable {
    let numbers: [Int64]
    /// As many, in the same order.
    let ids: [String]
    /// Those of the codes.
    let stamps: ChangeStamps
    let user: String
}
