#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A point in time, in whole microseconds since 1970-01-01T00:00:00Z, for the years 1 to 9999.
///
/// Microseconds are what the contract compares and gives back (rules R4 and F7); a `Date` or a
/// `Double` of seconds would round them.
public struct Timestamp: Sendable, Hashable, Comparable {
    /// Microseconds since the Unix epoch; negative before it.
    public let microseconds: Int64

    /// 0001-01-01T00:00:00Z
    public static let earliest = Timestamp(uncheckedMicroseconds: -62_135_596_800_000_000)
    /// 9999-12-31T23:59:59.999999Z
    public static let latest = Timestamp(uncheckedMicroseconds: 253_402_300_799_999_999)

    private init(uncheckedMicroseconds: Int64) {
        self.microseconds = uncheckedMicroseconds
    }

    /// `nil` outside the years 1 to 9999.
    public init?(microseconds: Int64) {
        guard microseconds >= Self.earliest.microseconds, microseconds <= Self.latest.microseconds else { return nil }
        self.microseconds = microseconds
    }

    /// Seconds since the epoch, rounded to the nearest microsecond; `nil` if not finite or outside
    /// the years 1 to 9999.
    public init?(secondsSinceEpoch seconds: Double) {
        guard seconds.isFinite, abs(seconds) < 1e12 else { return nil }
        // Split first: seconds * 1e6 in one step would round a second time.
        let whole = seconds.rounded(.down)
        let micros = ((seconds - whole) * 1e6).rounded()
        self.init(microseconds: Int64(whole) * 1_000_000 + Int64(micros))
    }

    /// The wall clock of this machine.
    public static func now() -> Timestamp {
        Timestamp(secondsSinceEpoch: Date().timeIntervalSince1970) ?? .earliest
    }

    /// Seconds since the epoch as a double: exact to the microsecond between the years 1697 and
    /// 2242.
    public var secondsSinceEpoch: Double { Double(microseconds) / 1e6 }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.microseconds < b.microseconds }

    /// Days from this point to `later`; 0 if `later` is not later.
    public func days(until later: Timestamp) -> Double {
        max(0, Double(later.microseconds - microseconds) / 86_400e6)
    }

    /// This point moved by `seconds`, held within the years 1 to 9999.
    public func advanced(bySeconds seconds: Int64) -> Timestamp {
        let (step, isLong) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (moved, isFar) = microseconds.addingReportingOverflow(step)
        guard !isLong, !isFar else { return seconds < 0 ? .earliest : .latest }
        return Timestamp(uncheckedMicroseconds: min(max(moved, Self.earliest.microseconds), Self.latest.microseconds))
    }
}

extension Timestamp: CustomStringConvertible {
    public var description: String { iso8601 }

    /// ISO 8601 in UTC with a `Z`, and six digits of a second's fraction when there is one.
    public var iso8601: String {
        let fraction = microseconds - Self.floorDivide(microseconds, 1_000_000) * 1_000_000
        let seconds = Self.floorDivide(microseconds, 1_000_000)
        let day = Self.floorDivide(seconds, 86_400)
        let second = seconds - day * 86_400
        let date = CivilDate(daysSinceEpoch: day)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(27)
        func put(_ value: Int64, _ width: Int) {
            var divisor: Int64 = 1
            for _ in 1..<width { divisor *= 10 }
            while divisor > 0 {
                bytes.append(UInt8(ascii: "0") + UInt8((value / divisor) % 10))
                divisor /= 10
            }
        }
        put(date.year, 4)
        bytes.append(UInt8(ascii: "-"))
        put(date.month, 2)
        bytes.append(UInt8(ascii: "-"))
        put(date.day, 2)
        bytes.append(UInt8(ascii: "T"))
        put(second / 3600, 2)
        bytes.append(UInt8(ascii: ":"))
        put(second / 60 % 60, 2)
        bytes.append(UInt8(ascii: ":"))
        put(second % 60, 2)
        if fraction != 0 {
            bytes.append(UInt8(ascii: "."))
            put(fraction, 6)
        }
        bytes.append(UInt8(ascii: "Z"))
        return String(decoding: bytes, as: UTF8.self)
    }

    static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        let quotient = a / b
        return a % b < 0 ? quotient - 1 : quotient
    }
}

/// A day of the proleptic Gregorian calendar.
///
/// The conversions are the ones of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
struct CivilDate: Equatable {
    var year: Int64
    var month: Int64
    var day: Int64

    /// `nil` for a day that the calendar does not have, such as 30 February.
    init?(year: Int64, month: Int64, day: Int64) {
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1, day <= Self.days(in: month, of: year)
        else {
            return nil
        }
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSinceEpoch: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let era = Timestamp.floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSinceEpoch: Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = Timestamp.floorDivide(y, 400)
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    static func days(in month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
