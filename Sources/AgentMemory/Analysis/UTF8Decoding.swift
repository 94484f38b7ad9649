/// Reads scalars from the bytes of a string without making characters of them.
enum UTF8Decoding {
    /// The scalar whose first byte is at `index`, and the number of bytes it takes. `bytes` are
    /// valid UTF-8, as those of a `String` always are.
    @inline(__always)
    static func scalar(
        in bytes: UnsafeBufferPointer<UInt8>, at index: Int
    ) -> (scalar: Unicode.Scalar, length: Int) {
        let lead = UInt32(bytes[index])
        let value: UInt32
        let length: Int
        switch lead {
        case ..<0x80:
            (value, length) = (lead, 1)
        case ..<0xE0:
            (value, length) = ((lead & 0x1F) << 6 | tail(bytes, index + 1), 2)
        case ..<0xF0:
            (value, length) = ((lead & 0x0F) << 12 | tail(bytes, index + 1) << 6 | tail(bytes, index + 2), 3)
        default:
            value =
                (lead & 0x07) << 18 | tail(bytes, index + 1) << 12 | tail(bytes, index + 2) << 6
                | tail(bytes, index + 3)
            length = 4
        }
        return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
    }

    @inline(__always)
    private static func tail(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> UInt32 {
        UInt32(bytes[index]) & 0x3F
    }
}
