import Crypto

/// Metadata as terms, so that a store answers a ``MetadataCondition`` from an index of words.
///
/// A key has one term, a scalar value one more, and a number two kinds in addition: its position
/// among all doubles as hexadecimal digits without zeros at the end, and the prefixes of these
/// digits. Keys and values are digests in a term, so that terms are short and have no character of
/// a query's syntax.
public enum MetadataTerms {
    /// The terms of a record's metadata.
    ///
    /// - Parameters:
    ///   - metadata: the whole object; only its top-level members count.
    ///   - withPrefixes: whether numbers get the terms of ``MetadataRange/cover(of:)``.
    public static func of(_ metadata: JSONObject, withPrefixes: Bool) -> [String] {
        var terms: [String] = []
        for (key, value) in metadata.members {
            let digest = keyDigest(key)
            terms.append("k" + digest)
            guard let scalar = MetadataScalar(value) else { continue }
            terms.append(term(of: key, scalar))
            guard let number = scalar.double else { continue }
            let digits = NumberPosition(number).digits
            terms.append("d" + digest + digits)
            guard withPrefixes else { continue }
            for length in 1...digits.utf8.count { terms.append("p" + digest + digits.prefix(length)) }
        }
        return terms
    }

    /// The term of all records that have the key.
    public static func term(of key: String) -> String { "k" + keyDigest(key) }

    /// The term of all records whose key has this value.
    public static func term(of key: String, _ value: MetadataScalar) -> String {
        "v" + hex(SHA256.hash(data: Array("\(key.utf8.count):\(key)\(value.identity.value)".utf8)).prefix(16))
    }

    /// The beginning of the terms of numbers under the key. The rest are hexadecimal digits, whose
    /// order is that of the numbers.
    public static func numberPrefix(of key: String) -> String { "d" + keyDigest(key) }

    static func keyDigest(_ key: String) -> String { hex(SHA256.hash(data: Array(key.utf8)).prefix(12)) }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        var hex: [UInt8] = []
        for byte in bytes {
            hex.append(NumberPosition.hexDigits[Int(byte >> 4)])
            hex.append(NumberPosition.hexDigits[Int(byte & 15)])
        }
        return String(decoding: hex, as: UTF8.self)
    }
}

/// The position of a number among all doubles, from the smallest to the largest.
struct NumberPosition: Sendable, Equatable {
    let value: UInt64

    static let hexDigits = Array("0123456789abcdef".utf8)

    init(value: UInt64) {
        self.value = value
    }

    /// 0 and -0 have one position.
    init(_ number: Double) {
        let bits = (number == 0 ? 0.0 : number).bitPattern
        value = bits >> 63 == 1 ? ~bits : bits | 1 << 63
    }

    /// Hexadecimal, without zeros at the end, so that round numbers have few digits; never empty.
    /// The order of these texts is that of the numbers.
    var digits: String {
        var digits = (0..<16).map { Self.hexDigits[Int((value >> UInt64(60 - 4 * $0)) & 15)] }
        while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }
        return String(decoding: digits, as: UTF8.self)
    }
}

/// The numbers within all bounds of a condition.
public struct MetadataRange: Sendable, Equatable {
    /// The smallest and the largest position; `nil` if no number lies within the bounds.
    private let positions: ClosedRange<UInt64>?
    /// A number at the lower end that does not belong to it.
    private let excluded: NumberPosition?

    init(_ bounds: [MetadataCondition.Bound]) {
        var low: UInt64 = 0
        var high = UInt64.max
        var excluded: [NumberPosition] = []
        for bound in bounds {
            let position = NumberPosition(bound.value)
            switch bound.comparison {
            // The cover of what follows a round number is larger than that from the number on.
            case .gt:
                low = max(low, position.value)
                excluded.append(position)
            case .gte: low = max(low, position.value)
            case .lt: high = min(high, position.value - 1)
            case .lte: high = min(high, position.value)
            }
        }
        let start = excluded.first { $0.value == low }
        positions = low <= high && (start == nil || low < high) ? low...high : nil
        self.excluded = start
    }

    /// Whether no number lies within the bounds.
    public var isEmpty: Bool { positions == nil }

    /// The smallest and the largest term of numbers under the key, both included: for terms ordered
    /// by bytes.
    public func ends(of key: String) -> (from: String, to: String)? {
        guard let positions else { return nil }
        let prefix = MetadataTerms.numberPrefix(of: key)
        return (
            prefix + NumberPosition(value: positions.lowerBound).digits,
            prefix + NumberPosition(value: positions.upperBound).digits
        )
    }

    /// The term of the number at the lower end that does not belong to the range, if there is one.
    public func excludedTerm(of key: String) -> String? {
        excluded.map { MetadataTerms.numberPrefix(of: key) + $0.digits }
    }

    /// Terms of which a record has at least one if the key has a number of the range, or the one of
    /// ``excludedTerm(of:)``: at most 480, some dozens if the bounds are round.
    public func cover(of key: String) -> [String] {
        guard let positions else { return [] }
        var terms: [String] = []
        let digest = MetadataTerms.keyDigest(key)
        Self.cover(positions, from: 0, digits: 0) { start, digits in
            let whole = NumberPosition(value: start).digits
            let prefix = (0..<digits).map { NumberPosition.hexDigits[Int((start >> UInt64(60 - 4 * $0)) & 15)] }
            terms.append("p" + digest + String(decoding: prefix, as: UTF8.self))
            // The number whose digits end before this prefix does.
            if whole.utf8.count < digits { terms.append("d" + digest + whole) }
        }
        return terms.exactlyDistinct()
    }

    /// Calls `found` for the largest prefixes all of whose numbers are in the range.
    ///
    /// - Parameters:
    ///   - start: the first position with the prefix.
    ///   - digits: the length of the prefix.
    private static func cover(
        _ range: ClosedRange<UInt64>, from start: UInt64, digits: Int, _ found: (UInt64, Int) -> Void
    ) {
        let size = digits == 0 ? UInt64.max : (UInt64(1) << UInt64(64 - 4 * digits)) - 1
        let end = start + size
        guard start <= range.upperBound, end >= range.lowerBound else { return }
        if digits > 0, start >= range.lowerBound, end <= range.upperBound {
            found(start, digits)
            return
        }
        for digit in UInt64(0)..<16 {
            cover(range, from: start + digit << UInt64(60 - 4 * digits), digits: digits + 1, found)
        }
    }
}
