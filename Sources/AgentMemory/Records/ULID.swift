/// Makes ids of 26 characters that sort by the time they were made (https://github.com/ulid/spec):
/// 48 bits of milliseconds and 80 random bits in Crockford's base 32.
public enum ULID {
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    /// - Parameter at: dates before 1970 count as 1970.
    public static func make(at: Timestamp = .now()) -> String {
        var generator = SystemRandomNumberGenerator()
        let milliseconds = UInt64(max(0, at.microseconds / 1000))
        let characters: [UInt8] = (0..<26).map { position in
            if position < 10 { return alphabet[Int(milliseconds >> UInt64((9 - position) * 5) & 31)] }
            return alphabet[Int.random(in: 0..<32, using: &generator)]
        }
        return String(decoding: characters, as: UTF8.self)
    }
}
