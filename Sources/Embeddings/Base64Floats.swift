/// Vectors as OpenAI packs them: base64 (RFC 4648, section 4) of little-endian 32-bit floats.
enum Base64Floats {
    /// - Returns: `nil` for another alphabet or a length that is not a whole number of floats.
    static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [Float]? {
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

    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (value, byte) in alphabet.utf8.enumerated() { values[Int(byte)] = UInt8(value) }
        return values
    }()
}
