import AgentMemory

/// Dates in the form of the hashes: seconds since 1970 in decimal digits.
///
/// The engine reads the digits as a double, as it does with those of a filter's bound: equal dates
/// have equal digits, so they are equal there too.
enum RedisDate {
    /// All six digits of the fraction, without zeros at its end.
    static func text(_ date: Timestamp) -> String {
        let magnitude = date.microseconds.magnitude
        let sign = date.microseconds < 0 ? "-" : ""
        let (seconds, fraction) = magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        guard fraction > 0 else { return "\(sign)\(seconds)" }
        var digits = String(fraction)
        digits = String(repeating: "0", count: 6 - digits.count) + digits
        while digits.last == "0" { digits.removeLast() }
        return "\(sign)\(seconds).\(digits)"
    }

    /// Reads the digits without conversion to a double; accepts ISO 8601 and exponents too. `nil`
    /// for anything else.
    static func timestamp(_ text: String) -> Timestamp? {
        exact(text) ?? Double(text).flatMap { Timestamp(secondsSinceEpoch: $0) } ?? Timestamp(parsing: text)
    }

    private static func exact(_ text: String) -> Timestamp? {
        var micros: Int64 = 0
        var fractionDigits: Int?
        let isNegative = text.utf8.first == UInt8(ascii: "-")
        let digits = text.utf8.dropFirst(isNegative ? 1 : 0)
        guard let first = digits.first, first != UInt8(ascii: "."), digits.count <= 20 else { return nil }
        for byte in digits {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                if let count = fractionDigits {
                    guard count < 6 else { return nil }
                    fractionDigits = count + 1
                }
                let (shifted, overflow) = micros.multipliedReportingOverflow(by: 10)
                guard !overflow else { return nil }
                let (sum, carry) = shifted.addingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
                guard !carry else { return nil }
                micros = sum
            case UInt8(ascii: ".") where fractionDigits == nil:
                fractionDigits = 0
            default:
                return nil
            }
        }
        for _ in (fractionDigits ?? 0)..<6 {
            let (shifted, overflow) = micros.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            micros = shifted
        }
        return Timestamp(microseconds: isNegative ? -micros : micros)
    }
}
