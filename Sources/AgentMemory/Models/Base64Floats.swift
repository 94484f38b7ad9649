/// Vectors as text: base64 (RFC 4648, section 4) of little-endian 32-bit floats, as OpenAI packs
/// them.
public enum Base64Floats {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, byte) in alphabet.enumerated() { values[Int(byte)] = UInt8(value) }
        return values
    }()

    /// The text of a vector, with padding.
    public static func encode(_ vector: [Float]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(vector.count * 16 / 3 + 4)
        var bits: UInt64 = 0
        var count = 0
        for value in vector {
            bits = bits << 32 | UInt64(value.bitPattern.byteSwapped)
            count += 32
            while count >= 6 {
                count -= 6
                text.append(alphabet[Int(bits >> UInt64(count)) & 63])
            }
            bits &= (1 << UInt64(count)) - 1
        }
        if count > 0 { text.append(alphabet[Int(bits << UInt64(6 - count)) & 63]) }
        while !text.count.isMultiple(of: 4) { text.append(UInt8(ascii: "=")) }
        return String(decoding: text, as: UTF8.self)
    }

    /// The vector of a text, whose padding may be missing.
    ///
    /// - Returns: `nil` for another alphabet or a length that is not a whole number of floats.
    public static func decode(_ text: String) -> [Float]? {
        var text = text
        return text.withUTF8 { decode($0) }
    }

    /// As ``decode(_:)-(String)``, of bytes.
    public static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [Float]? {
        var end = text.count
        while end > 0, text.count - end < 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
        let size = end * 6 / 8
        guard end % 4 != 1, size % 4 == 0 else { return nil }
        var floats: [Float] = []
        floats.reserveCapacity(size / 4)
        var bits: UInt64 = 0
        var count = 0
        for byte in text[..<end] {
            let value = values[Int(byte)]
            guard value < 64 else { return nil }
            bits = bits << 6 | UInt64(value)
            count += 6
            if count >= 32 {
                count -= 32
                // The first byte of the text is the least significant one of the float.
                floats.append(Float(bitPattern: UInt32(truncatingIfNeeded: bits >> UInt64(count)).byteSwapped))
                bits &= (1 << UInt64(count)) - 1
            }
        }
        return floats
    }
}
