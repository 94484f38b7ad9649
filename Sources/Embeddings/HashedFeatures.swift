/// A vector that features are added to by their hash.
struct HashedFeatures {
    /// Features of different kinds with the same bytes are different features.
    enum Kind: UInt8 {
        case word = 1
        case subword = 2
        case pair = 3
        case text = 4
    }

    private var values: [Float]

    init(dimensions: Int) {
        values = Array(repeating: 0, count: dimensions)
    }

    /// Adds `weight` to the place that the hash names, or subtracts it, depending on the hash's
    /// highest bit: collisions then cancel out on average instead of adding up.
    mutating func add(_ hash: UInt64, _ weight: Float) {
        let index = Int(((hash & 0xFFFF_FFFF) * UInt64(values.count)) >> 32)
        values[index] += hash >> 63 == 0 ? weight : -weight
    }

    /// Adds the 3-, 4- and 5-grams of scalars of `<word>`. Together they weigh as much as one
    /// feature of `weight`.
    mutating func addSubwords(of word: [UInt8], weight: Float) {
        var bytes: [UInt8] = [UInt8(ascii: "<")]
        bytes.append(contentsOf: word)
        bytes.append(UInt8(ascii: ">"))
        var starts = bytes.indices.filter { bytes[$0] & 0xC0 != 0x80 }
        starts.append(bytes.count)
        let scalars = starts.count - 1
        let count = (3...5).reduce(0) { $0 + max(0, scalars - $1 + 1) }
        guard count > 0 else { return }
        let each = weight / Float(count).squareRoot()
        bytes.withUnsafeBufferPointer { bytes in
            for start in 0..<max(0, scalars - 2) {
                // One pass gives the hashes of all three lengths.
                var state = Self.start(.subword)
                for length in 1...min(5, scalars - start) {
                    for index in starts[start + length - 1]..<starts[start + length] {
                        state = Self.step(state, bytes[index])
                    }
                    if length >= 3 { add(Self.finish(state), each) }
                }
            }
        }
    }

    /// The vector scaled to length 1.
    func normalised() -> [Float] {
        var squares = 0.0
        for value in values { squares += Double(value) * Double(value) }
        guard squares > 0 else {
            // Every feature was cancelled by another one: possible with few dimensions.
            var unit = values
            unit[0] = 1
            return unit
        }
        let length = squares.squareRoot()
        return values.map { Float(Double($0) / length) }
    }

    static func hash(_ parts: any Sequence<UInt8>..., kind: Kind) -> UInt64 {
        var state = start(kind)
        for part in parts {
            for byte in part { state = step(state, byte) }
        }
        return finish(state)
    }

    // FNV-1a in 64 bits; its low bits are weak for short inputs, so MurmurHash3's finaliser mixes
    // them.

    private static func start(_ kind: Kind) -> UInt64 { step(0xCBF2_9CE4_8422_2325, kind.rawValue) }

    private static func step(_ state: UInt64, _ byte: UInt8) -> UInt64 {
        (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }

    private static func finish(_ state: UInt64) -> UInt64 {
        var hash = state
        hash ^= hash >> 33
        hash = hash &* 0xFF51_AFD7_ED55_8CCD
        hash ^= hash >> 33
        hash = hash &* 0xC4CE_B9FE_1A85_EC53
        return hash ^ hash >> 33
    }
}
