import AgentMemory

/// The pieces of words that a model knows, by their bytes.
///
/// A table of open addressing over one array of bytes: a piece is looked up by a hash that grows
/// with each byte, so that all prefixes of a word are hashed in one pass over it.
struct WordPieceVocabulary: Sendable {
    /// The hash of FNV-1a, 64 bits (Fowler, Noll, Vo).
    struct Hash {
        fileprivate(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

        mutating func add(_ byte: UInt8) {
            value = (value ^ UInt64(byte)) &* 0x100_0000_01B3
        }
    }

    /// The prefix of a piece that does not start a word, such as `##`.
    let continuationPrefix: [UInt8]
    /// The hash of ``continuationPrefix``, as a start value.
    let continuationHash: Hash
    private var bytes: [UInt8] = []
    /// Where each piece starts in `bytes`; one more at the end.
    private var starts: [Int32] = [0]
    private var ids: [Int32] = []
    /// Positions of pieces, -1 for none; the length is a power of two.
    private var table: [Int32]
    private let mask: Int

    /// - Parameter pieces: Each with its id; of a piece given twice the last id counts.
    init(_ pieces: [(piece: String, id: Int)], continuationPrefix: String) {
        self.continuationPrefix = Array(continuationPrefix.utf8)
        var hash = Hash()
        for byte in self.continuationPrefix { hash.add(byte) }
        continuationHash = hash
        var size = 16
        while size < pieces.count * 3 { size *= 2 }
        table = [Int32](repeating: -1, count: size)
        mask = size - 1
        for (piece, id) in pieces {
            var hash = Hash()
            for byte in piece.utf8 { hash.add(byte) }
            var slot = Int(truncatingIfNeeded: hash.value) & mask
            while table[slot] >= 0, !isPiece(Int(table[slot]), equalTo: piece.utf8) { slot = (slot + 1) & mask }
            if table[slot] >= 0 {
                ids[Int(table[slot])] = Int32(id)
                continue
            }
            table[slot] = Int32(ids.count)
            ids.append(Int32(id))
            bytes.append(contentsOf: piece.utf8)
            starts.append(Int32(bytes.count))
        }
    }

    var count: Int { ids.count }

    private func isPiece(_ place: Int, equalTo text: String.UTF8View) -> Bool {
        bytes[Int(starts[place])..<Int(starts[place + 1])].elementsEqual(text)
    }

    func id(of piece: String) -> Int32? {
        var hash = Hash()
        for byte in piece.utf8 { hash.add(byte) }
        return Array(piece.utf8).withUnsafeBufferPointer { id(of: $0, continues: false, hash: hash) }
    }

    /// The id of the piece with these bytes, after ``continuationPrefix`` if `continues`.
    ///
    /// - Parameter hash: of the prefix, if any, and the bytes.
    func id(of piece: UnsafeBufferPointer<UInt8>, continues: Bool, hash: Hash) -> Int32? {
        let prefix = continues ? continuationPrefix.count : 0
        var slot = Int(truncatingIfNeeded: hash.value) & mask
        while table[slot] >= 0 {
            let place = Int(table[slot])
            let start = Int(starts[place])
            if Int(starts[place + 1]) - start == prefix + piece.count,
                !continues || bytes[start..<start + prefix].elementsEqual(continuationPrefix),
                bytes[(start + prefix)..<(start + prefix + piece.count)].elementsEqual(piece)
            {
                return ids[place]
            }
            slot = (slot + 1) & mask
        }
        return nil
    }
}
