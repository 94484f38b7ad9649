extension Timestamp {
    /// A date of a stored JSON document: ISO 8601 text, or seconds since the epoch as a number.
    package init?(stored value: JSONValue?) {
        switch value {
        case .string(let text): self.init(parsing: text)
        case .number(let number): self.init(secondsSinceEpoch: number.double)
        default: return nil
        }
    }
}
