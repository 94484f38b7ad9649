extension Timestamp {
    /// Reads a date as clients write it: ISO 8601 with `Z`, `z`, `±hh:mm`, `±hhmm`, `±hh` or
    /// nothing (then UTC); `T`, `t`, `_` or a blank between date and time; a date alone; no
    /// seconds; a fraction of any length (digits past the sixth are dropped); or the digits of an
    /// epoch time, as ``init(epoch:)`` reads them.
    ///
    /// `nil` for anything else: hour 24, second 60, 30 February, the empty string.
    public init?(parsing text: String) {
        if let epoch = Self.epochNumber(text) {
            self.init(epoch: epoch)
            return
        }
        var scanner = Scanner(bytes: Array(text.utf8))
        guard let date = scanner.date() else { return nil }
        let midnight = date.daysSinceEpoch * 86_400
        if scanner.atEnd {
            self.init(microseconds: midnight * 1_000_000)
            return
        }
        guard scanner.take(where: { $0 == 0x54 || $0 == 0x74 || $0 == 0x20 || $0 == 0x5F }),
            let time = scanner.time(), let offset = scanner.offset(), scanner.atEnd
        else { return nil }
        self.init(microseconds: (midnight + time.seconds - offset) * 1_000_000 + time.microseconds)
    }

    /// An epoch time in seconds, or in milliseconds if its size is beyond 20,000,000,000 (the year
    /// 2603 in seconds), which is how pydantic tells them apart.
    public init?(epoch number: Double) {
        guard number.isFinite else { return nil }
        self.init(secondsSinceEpoch: abs(number) > 2e10 ? number / 1000 : number)
    }

    private static func epochNumber(_ text: String) -> Double? {
        let digits = text.utf8.drop { $0 == 0x2D || $0 == 0x2B }
        guard text.utf8.count - digits.count <= 1, let first = digits.first, (0x30...0x39).contains(first) else {
            return nil
        }
        var dots = 0
        for byte in digits {
            if byte == 0x2E { dots += 1 } else if !(0x30...0x39).contains(byte) { return nil }
        }
        guard dots <= 1 else { return nil }
        return Double(text)
    }

    private struct Scanner {
        let bytes: [UInt8]
        var position = 0

        var atEnd: Bool { position == bytes.count }

        mutating func take(where accepted: (UInt8) -> Bool) -> Bool {
            guard position < bytes.count, accepted(bytes[position]) else { return false }
            position += 1
            return true
        }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            take { $0 == UInt8(ascii: character) }
        }

        mutating func digits(_ count: Int) -> Int64? {
            guard position + count <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[position..<position + count] {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            position += count
            return value
        }

        mutating func date() -> CivilDate? {
            guard let year = digits(4), take("-"), let month = digits(2), take("-"), let day = digits(2) else {
                return nil
            }
            return CivilDate(year: year, month: month, day: day)
        }

        mutating func time() -> (seconds: Int64, microseconds: Int64)? {
            guard let hour = digits(2), hour < 24, take(":"), let minute = digits(2), minute < 60 else { return nil }
            var seconds = hour * 3600 + minute * 60
            var fraction: Int64 = 0
            if take(":") {
                guard let second = digits(2), second < 60 else { return nil }
                seconds += second
                if take(where: { $0 == 0x2E || $0 == 0x2C }) {
                    var count = 0
                    while let digit = digits(1) {
                        if count < 6 { fraction = fraction * 10 + digit }
                        count += 1
                    }
                    guard count > 0 else { return nil }
                    for _ in 0..<max(0, 6 - count) { fraction *= 10 }
                }
            }
            return (seconds, fraction)
        }

        /// Seconds east of UTC; 0 at the end of the text.
        mutating func offset() -> Int64? {
            if atEnd || take(where: { $0 == 0x5A || $0 == 0x7A }) { return 0 }
            let sign: Int64
            if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
            guard let hours = digits(2), hours < 24 else { return nil }
            if atEnd { return sign * hours * 3600 }
            _ = take(":")
            guard let minutes = digits(2), minutes < 60 else { return nil }
            return sign * (hours * 3600 + minutes * 60)
        }
    }
}
