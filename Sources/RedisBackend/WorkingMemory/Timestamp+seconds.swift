import AgentMemory

extension Timestamp {
    /// Seconds since the epoch as the shortest decimal number that is exact to the microsecond,
    /// such as `1784732661.551024`.
    var secondsLiteral: JSONNumber {
        let (seconds, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        guard fraction != 0, microseconds >= 0 else {
            return fraction == 0 ? JSONNumber(Int(seconds)) : JSONNumber(secondsSinceEpoch)
        }
        let digits = String(fraction)
        return JSONNumber(
            uncheckedLiteral: "\(seconds)." + String(repeating: "0", count: 6 - digits.utf8.count) + digits)
    }
}
