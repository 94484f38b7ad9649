/// The spans of time that a query names in English: a day, a month or a year (rule S11).
///
/// - A day (`7 May 2023`, `the 7th of May`, `May 7, 2023`, `2023-05-07`) spans one day before it to
///   three days after it, because what is said of a day is often said later.
/// - A month (`May 2023`, `May`) spans that month. Without a year any year is meant. The lower-case
///   word `may` without an adjacent number does not count as a month.
/// - A year from 2000 to 2099 that belongs to neither of these spans that year.
///
/// All of it in UTC.
public struct DateWindows: Sendable, Equatable {
    /// Days since 1970-01-01, in a year that is given or in any.
    enum Window: Equatable {
        case days(ClosedRange<Int64>)
        case dayOfAnyYear(month: Int64, day: Int64)
        case monthOfAnyYear(Int64)
    }

    var windows: [Window] = []

    /// Whether the query names no date.
    public var isEmpty: Bool { windows.isEmpty }

    public func contains(_ date: Timestamp) -> Bool {
        guard !windows.isEmpty else { return false }
        let day = Timestamp.floorDivide(date.microseconds, 86_400_000_000)
        return windows.contains { window in
            switch window {
            case .days(let days): return days.contains(day)
            case .monthOfAnyYear(let month): return CivilDate(daysSinceEpoch: day).month == month
            case .dayOfAnyYear(let month, let number):
                let year = CivilDate(daysSinceEpoch: day).year
                // The span of a day at the end of a year reaches into the next one.
                return (year - 1...year + 1).contains { year in
                    Self.span(year: year, month: month, day: number)?.contains(day) ?? false
                }
            }
        }
    }

    /// Reads the dates of a query.
    public init(in query: String) {
        let parts = Self.parts(of: query)
        var index = 0
        while index < parts.count {
            if let (window, length) = Self.window(at: index, in: parts) {
                windows.append(window)
                index += length
            } else {
                index += 1
            }
        }
    }

    // MARK: Reading

    /// A run of letters and digits, and what stands between it and the next one.
    private struct Part {
        let text: Substring
        var gap: Substring

        var isLowercase: Bool { text.first?.isLowercase ?? false }

        /// A number of so many digits.
        func number(digits: ClosedRange<Int>) -> Int64? {
            guard digits.contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                return nil
            }
            return Int64(text)
        }

        /// A day of a month, as `7` or `7th`.
        var day: Int64? {
            var digits = text
            for suffix in ["st", "nd", "rd", "th"] where digits.lowercased().hasSuffix(suffix) {
                digits = digits.dropLast(2)
                break
            }
            guard let day = Part(text: digits, gap: "").number(digits: 1...2), (1...31).contains(day) else {
                return nil
            }
            return day
        }

        var year: Int64? { number(digits: 4...4).flatMap { (1000...2999).contains($0) ? $0 : nil } }

        /// The month of a full name.
        var month: Int64? { Self.months.firstIndex(of: text.lowercased()).map { Int64($0) + 1 } }

        /// The month of a full or a short name, for places next to a day.
        var shortMonth: Int64? {
            if let month { return month }
            let name = text.lowercased()
            return Self.months.firstIndex { $0.prefix(3) == name || (name == "sept" && $0 == "september") }.map {
                Int64($0) + 1
            }
        }

        private static let months = [
            "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
            "november",
            "december",
        ]
    }

    private static func parts(of query: String) -> [Part] {
        var parts: [Part] = []
        var rest = Substring(query)
        while let start = rest.firstIndex(where: { $0.isLetter || $0.isNumber }) {
            if !parts.isEmpty { parts[parts.count - 1].gap = rest[..<start] }
            let end = rest[start...].firstIndex { !($0.isLetter || $0.isNumber) } ?? rest.endIndex
            parts.append(Part(text: rest[start..<end], gap: ""))
            rest = rest[end...]
        }
        return parts
    }

    /// The window that begins at a part, and how many parts it takes.
    private static func window(at index: Int, in parts: [Part]) -> (Window, length: Int)? {
        func part(_ offset: Int) -> Part? {
            // A date does not reach over the end of a sentence.
            let gaps = parts[index...].prefix(offset).map(\.gap)
            let joined = gaps.allSatisfy { gap in
                gap.allSatisfy { $0.isWhitespace || $0 == "," || $0 == "-" || $0 == "/" }
            }
            return index + offset < parts.count && joined ? parts[index + offset] : nil
        }
        let first = parts[index]
        if let year = first.number(digits: 4...4), first.gap == "-", let month = part(1)?.number(digits: 2...2),
            part(1)?.gap == "-", let day = part(2)?.number(digits: 2...2),
            let span = span(year: year, month: month, day: day)
        {
            return (.days(span), 3)
        }
        if let day = first.day {
            let next = part(1)?.text.lowercased() == "of" ? 2 : 1
            if let month = part(next)?.shortMonth {
                return dayWindow(month: month, day: day, year: part(next + 1)?.year, length: next + 1)
            }
        }
        if let month = first.shortMonth, let day = part(1)?.day, part(1)?.year == nil {
            return dayWindow(month: month, day: day, year: part(2)?.year, length: 2)
        }
        if let month = first.month {
            if let year = part(1)?.year, let span = monthSpan(year: year, month: month) { return (.days(span), 2) }
            if month == 5, first.isLowercase { return nil }
            return (.monthOfAnyYear(month), 1)
        }
        if let year = first.year, (2000...2099).contains(year),
            let start = monthSpan(year: year, month: 1), let end = monthSpan(year: year, month: 12)
        {
            return (.days(start.lowerBound...end.upperBound), 1)
        }
        return nil
    }

    private static func dayWindow(month: Int64, day: Int64, year: Int64?, length: Int) -> (Window, length: Int)? {
        guard let year else { return (.dayOfAnyYear(month: month, day: day), length) }
        return span(year: year, month: month, day: day).map { (.days($0), length + 1) }
    }

    /// `nil` for a day that the month does not have.
    private static func span(year: Int64, month: Int64, day: Int64) -> ClosedRange<Int64>? {
        CivilDate(year: year, month: month, day: day).map { $0.daysSinceEpoch - 1...$0.daysSinceEpoch + 3 }
    }

    private static func monthSpan(year: Int64, month: Int64) -> ClosedRange<Int64>? {
        CivilDate(year: year, month: month, day: 1).map { first in
            first.daysSinceEpoch...first.daysSinceEpoch + CivilDate.days(in: month, of: year) - 1
        }
    }
}
