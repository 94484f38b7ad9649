import AgentMemory

/// Reads the body of a response of OpenAI's embeddings endpoint.
///
/// Its own reader, because a batch of 256 texts has 400,000 numbers, and a tree of JSON values
/// would hold each as a string first. Numbers are parsed straight into floats; other members are
/// skipped.
struct EmbeddingsResponse {
    struct Malformed: Error {
        /// Completes "the model returned …".
        let reason: String
    }

    /// The vectors of the items, ordered by their `index`, or by their position if no item has one.
    ///
    /// - Throws: ``Malformed`` for invalid JSON, for items without an embedding, and for indices
    ///   that are not each of 0 to the number of items once.
    static func vectors(in body: [UInt8]) throws(Malformed) -> [[Float]] {
        let parsed: Result<[Item], Malformed> = body.withUnsafeBufferPointer { bytes in
            Result { () throws(Malformed) in
                var reader = EmbeddingsReader(bytes: bytes)
                return try reader.items()
            }
        }
        let items = try parsed.get()
        guard items.contains(where: { $0.index != nil }) else { return items.map(\.vector) }
        var ordered = [[Float]?](repeating: nil, count: items.count)
        for item in items {
            guard let index = item.index, ordered.indices.contains(index), ordered[index] == nil else {
                throw Malformed(reason: "items with indices out of sequence")
            }
            ordered[index] = item.vector
        }
        return ordered.compactMap { $0 }
    }

    struct Item {
        var index: Int?
        var vector: [Float]
    }
}

private struct EmbeddingsReader {
    typealias Malformed = EmbeddingsResponse.Malformed
    let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var depth = 0

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private let notJSON = Malformed(reason: "incomplete or invalid JSON")

    mutating func items() throws(Malformed) -> [EmbeddingsResponse.Item] {
        var items: [EmbeddingsResponse.Item]?
        try object { reader, name throws(Malformed) in
            guard name == "data" else { return try reader.skipValue() }
            var found: [EmbeddingsResponse.Item] = []
            try reader.array { reader throws(Malformed) in found.append(try reader.item()) }
            items = found
        }
        guard next() == nil else { throw notJSON }
        guard let items else { throw Malformed(reason: "an object without the list \"data\"") }
        return items
    }

    private mutating func item() throws(Malformed) -> EmbeddingsResponse.Item {
        var item = EmbeddingsResponse.Item(index: nil, vector: [])
        var hasVector = false
        try object { reader, name throws(Malformed) in
            switch name {
            case "index": item.index = Int(exactly: try reader.number())
            case "embedding":
                hasVector = true
                item.vector = try reader.embedding()
            default: try reader.skipValue()
            }
        }
        guard hasVector else { throw Malformed(reason: "an item without an embedding") }
        return item
    }

    private mutating func embedding() throws(Malformed) -> [Float] {
        if next() == UInt8(ascii: "\"") {
            guard let vector = Base64Floats.decode(try string()) else {
                throw Malformed(reason: "an embedding that is not base64 of 32-bit floats")
            }
            return vector
        }
        var vector: [Float] = []
        vector.reserveCapacity(1536)
        try array { reader throws(Malformed) in
            switch reader.next() {
            // JSON does not have these words; some services write them.
            case UInt8(ascii: "N"), UInt8(ascii: "I"), UInt8(ascii: "n"):
                throw Malformed(reason: "an embedding with a value that is not a finite number")
            default: vector.append(Float(try reader.number()))
            }
        }
        return vector
    }

    // MARK: JSON

    /// The next byte that is not blank.
    private mutating func next() -> UInt8? {
        while position < bytes.count {
            let byte = bytes[position]
            if byte != 0x20, byte != 0x0A, byte != 0x0D, byte != 0x09 { return byte }
            position += 1
        }
        return nil
    }

    private mutating func expect(_ byte: UInt8) throws(Malformed) {
        guard next() == byte else { throw notJSON }
        position += 1
    }

    private mutating func object(
        _ member: (inout EmbeddingsReader, String) throws(Malformed) -> Void
    ) throws(Malformed) {
        try list("{", "}") { reader throws(Malformed) in
            let name = String(decoding: try reader.string(), as: UTF8.self)
            try reader.expect(UInt8(ascii: ":"))
            try member(&reader, name)
        }
    }

    private mutating func array(_ element: (inout EmbeddingsReader) throws(Malformed) -> Void) throws(Malformed) {
        try list("[", "]", element)
    }

    private mutating func list(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ element: (inout EmbeddingsReader) throws(Malformed) -> Void
    ) throws(Malformed) {
        try expect(UInt8(ascii: open))
        depth += 1
        guard depth <= 64 else { throw Malformed(reason: "JSON that is nested too deep") }
        defer { depth -= 1 }
        if next() == UInt8(ascii: close) {
            position += 1
            return
        }
        while true {
            try element(&self)
            let separator = next()
            position += 1
            if separator == UInt8(ascii: close) { return }
            guard separator == UInt8(ascii: ",") else { throw notJSON }
        }
    }

    private mutating func skipValue() throws(Malformed) {
        switch next() {
        case UInt8(ascii: "{"): try object { reader, _ throws(Malformed) in try reader.skipValue() }
        case UInt8(ascii: "["): try array { reader throws(Malformed) in try reader.skipValue() }
        case UInt8(ascii: "\""): _ = try string()
        default:
            // A number or a word, whose spelling does not matter here.
            let start = position
            while position < bytes.count, bytes[position] >= 0x2B, ![0x2C, 0x5D, 0x7D].contains(bytes[position]) {
                position += 1
            }
            guard position > start else { throw notJSON }
        }
    }

    /// The bytes between the quotes; escapes stay, because neither names nor base64 need them.
    private mutating func string() throws(Malformed) -> UnsafeBufferPointer<UInt8> {
        try expect(UInt8(ascii: "\""))
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard position < bytes.count else { throw notJSON }
        defer { position += 1 }
        return UnsafeBufferPointer(rebasing: bytes[start..<position])
    }

    /// A number, correct to the last digit of a `Float`: exact in `Double` for up to 15 digits, off
    /// by a few of its last bits beyond, which are 29 bits below those of a `Float`.
    private mutating func number() throws(Malformed) -> Double {
        _ = next()
        let start = position
        var digits = 0
        var mantissa: UInt64 = 0
        var exponent = 0
        let isNegative = position < bytes.count && bytes[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        var seenPoint = false
        var count = 0
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "."), !seenPoint {
                seenPoint = true
            } else if byte >= 0x30, byte <= 0x39 {
                count += 1
                if digits < 19 {
                    mantissa = mantissa * 10 + UInt64(byte - 0x30)
                    if mantissa > 0 { digits += 1 }
                    if seenPoint { exponent -= 1 }
                } else if !seenPoint {
                    exponent += 1
                }
            } else {
                break
            }
            position += 1
        }
        guard count > 0 else { throw notJSON }
        let hasExponent = position < bytes.count && bytes[position] | 0x20 == UInt8(ascii: "e")
        if !hasExponent, -22...22 ~= exponent {
            let magnitude = Double(mantissa)
            let value = exponent < 0 ? magnitude / Self.powers[-exponent] : magnitude * Self.powers[exponent]
            return isNegative ? -value : value
        }
        while position < bytes.count, bytes[position] >= 0x2B, ![0x2C, 0x5D, 0x7D].contains(bytes[position]) {
            position += 1
        }
        guard let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)) else { throw notJSON }
        return value
    }

    /// The powers of ten that a `Double` holds exactly.
    private static let powers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]
}
