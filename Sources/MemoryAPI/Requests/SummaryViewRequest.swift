public import AgentMemory
public import MemoryService

/// The bodies of the routes under /v1/summary-views.
public enum SummaryViewRequest {
    private enum Source: String, CaseIterable {
        case longTerm = "long_term"
        case workingMemory = "working_memory"
    }

    private static let members = [
        "id", "name", "source", "group_by", "filters", "time_window_days", "continuous", "prompt", "model_name",
    ]

    /// The query string of lists.
    public static let parametersOfList = ParameterNames(taken: ["limit", "offset"])
    public static let parametersOfPartitions = ParameterNames(
        taken: SummaryView.GroupField.allCases.map(\.rawValue) + ["limit", "offset"])

    /// The definition of a view, to create or to replace one.
    ///
    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` for a source
    ///   or fields that views do not have.
    public static func definition(_ json: JSONValue) throws -> SummaryView.Definition {
        let body = BodyReader(json)
        body.refuseUnknown(members, "Unknown field")
        if body.member("source") == nil { body.noteMissing("source") }
        let source = body.choice("source", Source.self)
        let name = body.string("name")
        let groupBy = body.strings("group_by") ?? []
        let filters = body.dictionary("filters") ?? [:]
        let days = body.int("time_window_days", in: 1...36_500)
        let isContinuous = body.bool("continuous") ?? false
        let prompt = body.string("prompt")
        let model = body.string("model_name")
        try body.finish()
        guard source == .longTerm else {
            throw MemoryError(
                .invalidCombination,
                "SummaryView.source must be 'long_term' for now; 'working_memory' is not yet supported.")
        }
        let unknown = groupBy.filter { SummaryView.GroupField(rawValue: $0) == nil }.exactlyDistinct().sorted()
        guard unknown.isEmpty else {
            throw MemoryError(
                .invalidCombination, "Unsupported group_by fields: \(unknown.joined(separator: ", "))")
        }
        return SummaryView.Definition(
            name: name, groupBy: groupBy.compactMap(SummaryView.GroupField.init), filters: filters,
            timeWindowDays: days, isContinuous: isContinuous, prompt: prompt, modelName: model)
    }

    /// The group of a partition to renew, and whether it is renewed in any case.
    ///
    /// - Throws: ``ValidationFailure``.
    public static func partition(_ json: JSONValue) throws -> (group: [String: String], isForced: Bool) {
        let body = BodyReader(json)
        body.refuseUnknown(["group", "force"], "Unknown field")
        if body.member("group") == nil { body.noteMissing("group") }
        var group: [String: String] = [:]
        if let values = body.object("group") {
            for (name, _) in values.members.members { group[name] = values.requiredString(name) }
        }
        let isForced = body.bool("force") ?? false
        try body.finish()
        return (group, isForced)
    }

    /// The task of a run, and whether every partition is renewed.
    ///
    /// - Throws: ``ValidationFailure``.
    public static func run(_ json: JSONValue) throws -> (taskID: String?, isForced: Bool) {
        let body = BodyReader(json)
        body.refuseUnknown(["task_id", "force"], "Unknown field")
        let taskID = body.string("task_id")
        let isForced = body.bool("force") ?? false
        try body.finish()
        return (taskID, isForced)
    }

    /// The page of a list; without a limit it is as long as a page can be.
    ///
    /// - Throws: ``ValidationFailure``.
    public static func page(_ query: BodyReader) throws -> PageRequest {
        let limit = query.int("limit", in: 1...PageRequest.maximumLimit) ?? PageRequest.maximumLimit
        let offset = query.int("offset", in: 0...Int.max) ?? 0
        let page = try query.make { () throws(MemoryError) in try PageRequest(limit: limit, offset: offset) }
        return try query.finish(with: page)
    }

    /// The values that the groups of listed partitions must have.
    public static func group(_ query: BodyReader) -> [SummaryView.GroupField: String] {
        var group: [SummaryView.GroupField: String] = [:]
        for field in SummaryView.GroupField.allCases { group[field] = query.string(field.rawValue) }
        return group
    }
}
