import AgentMemory

extension ForgettingPolicy {
    /// The policy as an operation keeps it.
    var json: JSONObject {
        var json: JSONObject = ["hard_age_multiplier": .double(hardAgeMultiplier)]
        if let maximumAgeDays { json["max_age_days"] = .double(maximumAgeDays) }
        if let maximumInactiveDays { json["max_inactive_days"] = .double(maximumInactiveDays) }
        if let budget { json["budget"] = .int(budget) }
        if let types { json["types"] = .array(types.sorted().map { .string($0) }) }
        if !pinnedIDs.isEmpty { json["pinned_ids"] = .array(pinnedIDs.sorted().map { .string($0.value) }) }
        return json
    }

    /// Reads ``json``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    init(_ json: JSONObject) throws(MemoryError) {
        let reader = MemberReader(.object(json), of: "a policy")
        self.init(
            maximumAgeDays: try reader.optional("max_age_days", \.doubleValue),
            maximumInactiveDays: try reader.optional("max_inactive_days", \.doubleValue),
            hardAgeMultiplier: try reader.required("hard_age_multiplier", \.doubleValue),
            budget: try reader.optional("budget", \.intValue),
            types: try reader.optionalStrings("types").map(Set.init),
            pinnedIDs: Set((try reader.optionalStrings("pinned_ids") ?? []).map(ExactString.init)))
    }
}
