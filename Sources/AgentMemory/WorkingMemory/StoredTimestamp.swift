extension Timestamp {
    /// A date of a stored JSON document: ISO 8601 text, or seconds since the epoch as a number.
    init?(stored value: JSONValue?) {
        switch value {
        case .string(let text): self.init(parsing: text)
        case .number(let number): self.init(secondsSinceEpoch: number.double)
        default: return nil
        }
    }

    /// Seconds since the epoch as the shortest decimal number that is exact to the microsecond, such as `1784732661.551024`.
    public var secondsLiteral: JSONNumber {
        let seconds = Self.floorDivide(microseconds, 1_000_000)
        let fraction = microseconds - seconds * 1_000_000
        guard fraction != 0, microseconds >= 0 else {
            return fraction == 0 ? JSONNumber(Int(seconds)) : JSONNumber(secondsSinceEpoch)
        }
        let digits = String(fraction)
        return JSONNumber(
            uncheckedLiteral: "\(seconds)." + String(repeating: "0", count: 6 - digits.utf8.count) + digits)
    }
}
