/// The condition on one date field. All bounds apply (rule F7); there is at least one.
public struct DateCondition: Sendable, Equatable {
    public enum Comparison: String, Sendable, CaseIterable {
        case gt, gte, lt, lte, eq, ne
    }

    public struct Bound: Sendable, Equatable {
        public let comparison: Comparison
        public let value: Timestamp

        public init(_ comparison: Comparison, _ value: Timestamp) {
            self.comparison = comparison
            self.value = value
        }

        /// A missing date matches only `ne`.
        public func matches(_ date: Timestamp?) -> Bool {
            guard let date else { return comparison == .ne }
            return switch comparison {
            case .gt: date > value
            case .gte: date >= value
            case .lt: date < value
            case .lte: date <= value
            case .eq: date == value
            case .ne: date != value
            }
        }
    }

    /// Which ends of `between` belong to it.
    public enum Inclusive: String, Sendable, CaseIterable {
        case both, neither, left, right
    }

    public let bounds: [Bound]

    /// - Throws: ``MemoryError`` with code `invalidInput` if there is no bound, or `eq` together
    ///   with `ne`.
    public init(field: DateField, _ bounds: [Bound]) throws(MemoryError) {
        guard !bounds.isEmpty else {
            throw MemoryError(.invalidInput, "the filter on \(field.rawValue) has no operator")
        }
        let comparisons = Set(bounds.map(\.comparison))
        guard !comparisons.isSuperset(of: [.eq, .ne]) else {
            throw MemoryError(.invalidInput, "the filter on \(field.rawValue) cannot combine eq with ne")
        }
        self.bounds = bounds
    }

    /// The two bounds of `between [from, to]`.
    public static func between(_ from: Timestamp, _ to: Timestamp, inclusive: Inclusive = .both) -> [Bound] {
        [
            Bound(inclusive == .both || inclusive == .left ? .gte : .gt, from),
            Bound(inclusive == .both || inclusive == .right ? .lte : .lt, to),
        ]
    }

    public func matches(_ date: Timestamp?) -> Bool {
        bounds.allSatisfy { $0.matches(date) }
    }
}
