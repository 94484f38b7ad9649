/// The weights of a blended search (rule S11): of the similarity of the texts, the words that they
/// share, the date that the query names, the tokens one by one, and the neighbouring records in the
/// session.
public struct BlendedRanking: Sendable, Equatable {
    /// What the other parts are added to.
    public enum Base: Sendable, Equatable {
        case semantic
        /// alpha * similarity + (1 - alpha) * relative keyword rank; alpha between 0 and 1.
        case hybrid(alpha: Double, TextScorer)
    }

    public let base: Base
    /// Weight of the late interaction; 0 leaves it out.
    public let lateInteraction: Double
    /// Share of a good record's value that its neighbours in the session get; 0 leaves it
    /// out.
    public let contextWeight: Double
    /// What a record gets whose date the query names; 0 leaves it out.
    public let dateWeight: Double

    /// The weights of a hybrid search that names none, found on conversations (LoCoMo) and checked
    /// on others.
    public static let defaultAlpha = 0.7
    public static let defaultLateInteraction = 2.0
    public static let defaultContextWeight = 0.4
    public static let defaultDateWeight = 0.3

    /// The weights that can be given.
    public static let lateInteractionRange = 0.0...10
    public static let contextWeightRange = 0.0...1
    public static let dateWeightRange = 0.0...10

    /// - Throws: ``MemoryError`` with code `invalidInput` that names the weight and its range.
    public init(
        _ base: Base, lateInteraction: Double, contextWeight: Double, dateWeight: Double
    ) throws(MemoryError) {
        func check(_ name: String, _ value: Double, _ range: ClosedRange<Double>) throws(MemoryError) {
            guard range.contains(value) else {
                throw .invalid(name, "\(name) must be between \(Int(range.lowerBound)) and \(Int(range.upperBound))")
            }
        }
        if case .hybrid(let alpha, _) = base { try check("hybrid_alpha", alpha, 0...1) }
        try check("late_interaction", lateInteraction, Self.lateInteractionRange)
        try check("context_weight", contextWeight, Self.contextWeightRange)
        try check("date_weight", dateWeight, Self.dateWeightRange)
        self.base = base
        self.lateInteraction = lateInteraction
        self.contextWeight = contextWeight
        self.dateWeight = dateWeight
    }

    /// Whether all three weights are 0: then rule S6 or S2 is meant.
    public var isClassic: Bool { lateInteraction == 0 && contextWeight == 0 && dateWeight == 0 }

    /// Rule S6 or S2, which it is with all weights 0: for backends that rank by themselves.
    public var classic: SearchQuery.Ranking {
        switch base {
        case .semantic: .semantic(distanceThreshold: nil)
        case .hybrid(let alpha, let scorer): .hybrid(alpha: alpha, scorer)
        }
    }

    // MARK: The constants of the formula

    /// The best records by the sum of the first parts, among which late interaction decides.
    static let lateDepth = 200
    /// The best records that give to their neighbours.
    static let givers = 20
    /// How far a record gives within its session.
    static let reach = 3
    /// What is left of it from one record to the next.
    static let decay = 0.7
}
