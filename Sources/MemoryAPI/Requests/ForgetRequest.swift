public import AgentMemory
public import MemoryService

/// The parameters and the body of POST /v1/long-term-memory/forget.
public struct ForgetRequest: Sendable {
    public static let parameters = ParameterNames(taken: ScopeParameters.names + ["limit", "dry_run"])

    public let policy: ForgettingPolicy
    public let filter: MemoryFilter
    /// How many memories are removed at once.
    public let batch: Int
    public let isDryRun: Bool

    /// - Throws: ``ValidationFailure``.
    public init(_ json: JSONValue, query: BodyReader) throws {
        filter = try ScopeParameters.filter(query)
        // As the reference, which looks at no more than this number; here all are looked at.
        batch = min(500, query.int("limit", in: 1...1_000_000) ?? 1000)
        isDryRun = query.bool("dry_run") ?? true

        let body = BodyReader(json)
        body.refuseUnknown(["policy", "pinned_ids"], "Unknown field")
        if body.member("policy") == nil { body.noteMissing("policy") }
        var policy = ForgettingPolicy()
        if body.dictionary("policy") != nil, let reader = body.object("policy") {
            reader.refuseUnknown(
                [
                    "max_age_days", "max_inactive_days", "hard_age_multiplier", "budget", "memory_type_allowlist",
                ], "Unknown field of a policy")
            policy.maximumAgeDays = Self.number("max_age_days", reader)
            policy.maximumInactiveDays = Self.number("max_inactive_days", reader)
            policy.hardAgeMultiplier = Self.number("hard_age_multiplier", reader) ?? policy.hardAgeMultiplier
            if Self.isNumber("budget", reader) { policy.budget = reader.int("budget", in: 0...Int.max) }
            policy.types = reader.strings("memory_type_allowlist").map(Set.init)
        }
        policy.pinnedIDs = Set((body.strings("pinned_ids") ?? []).map(ExactString.init))
        self.policy = policy
        do {
            try query.finish()
        } catch {
            body.note(error)
        }
        try body.finish()
    }

    /// A number of days, or a factor. A text is none: what is forgotten must not depend on how
    /// leniently it is read.
    private static func number(_ name: String, _ reader: BodyReader) -> Double? {
        isNumber(name, reader) ? reader.double(name, in: 0...1e9) : nil
    }

    private static func isNumber(_ name: String, _ reader: BodyReader) -> Bool {
        guard case .string(let text) = reader.member(name) else { return true }
        reader.note("float_type", at: reader.location(of: name), "Input should be a valid number", input: .string(text))
        return false
    }
}
