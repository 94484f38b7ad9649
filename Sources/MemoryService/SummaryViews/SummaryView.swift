public import AgentMemory

/// What a summary view summarises: the long-term memories that its filters match, in groups.
public struct SummaryView: Sendable, Equatable {
    /// A field that memories can be grouped by.
    public enum GroupField: String, Sendable, CaseIterable {
        case userID = "user_id"
        case namespace
        case sessionID = "session_id"
        case memoryType = "memory_type"

        var tag: TagField {
            switch self {
            case .userID: .userID
            case .namespace: .namespace
            case .sessionID: .sessionID
            case .memoryType: .memoryType
            }
        }

        func value(of record: MemoryRecord) -> String? { tag.values(of: record).first }
    }

    public let id: String
    public let definition: Definition
    /// Who defined it: continuous views are refreshed within the limits of that caller.
    let owner: Caller

    /// What a client says of a view.
    public struct Definition: Sendable, Equatable {
        public let name: String?
        public let groupBy: [GroupField]
        /// As the client gave them, with the owner's limits added.
        public internal(set) var filters: JSONObject
        public let timeWindowDays: Int?
        public let isContinuous: Bool
        public let prompt: String?
        public let modelName: String?

        public init(
            name: String?, groupBy: [GroupField], filters: JSONObject, timeWindowDays: Int?, isContinuous: Bool,
            prompt: String?, modelName: String?
        ) {
            self.name = name
            self.groupBy = groupBy
            self.filters = filters
            self.timeWindowDays = timeWindowDays
            self.isContinuous = isContinuous
            self.prompt = prompt
            self.modelName = modelName
        }
    }

    /// The one value of a field that the filters ask for, if there is only one.
    func only(_ field: GroupField) -> String? {
        switch definition.filters[field.rawValue] {
        case .string(let text): text
        case .object(let operators) where operators.members.count == 1: operators["eq"]?.stringValue
        default: nil
        }
    }

    // MARK: As a document and on the wire

    static func key(_ id: String) -> DocumentKey { DocumentKey(.summaryView, id) }

    /// The members of the view as clients see them.
    public var json: JSONObject {
        [
            "id": .string(id), "name": definition.name.map { .string($0) } ?? .null, "source": "long_term",
            "group_by": .array(definition.groupBy.map { .string($0.rawValue) }),
            "filters": .object(definition.filters),
            "time_window_days": definition.timeWindowDays.map { .int($0) } ?? .null,
            "continuous": .bool(definition.isContinuous), "prompt": definition.prompt.map { .string($0) } ?? .null,
            "model_name": definition.modelName.map { .string($0) } ?? .null,
        ]
    }

    var document: Document {
        var body = json
        body["owner"] = .object(owner.json)
        return Document(Self.key(id), namespace: only(.namespace), userID: only(.userID), body: body)
    }

    init(id: String, _ definition: Definition, owner: Caller) {
        self.id = id
        self.definition = definition
        self.owner = owner
    }

    /// Reads ``document``.
    ///
    /// - Throws: ``MemoryError`` for anything else.
    init(_ document: Document) throws(MemoryError) {
        let reader = MemberReader(.object(document.body), of: "a summary view")
        let fields = try reader.strings("group_by")
        id = document.key.id
        definition = Definition(
            name: try reader.optional("name", \.stringValue), groupBy: fields.compactMap(GroupField.init),
            filters: try reader.required("filters", \.objectValue),
            timeWindowDays: try reader.optional("time_window_days", \.intValue),
            isContinuous: try reader.required("continuous", \.boolValue),
            prompt: try reader.optional("prompt", \.stringValue),
            modelName: try reader.optional("model_name", \.stringValue))
        owner = try Caller(json: try reader.required("owner", \.objectValue))
    }
}

/// The summary of one group of a view.
public struct SummaryPartition: Sendable, Equatable {
    public let viewID: String
    /// The values of the view's fields.
    public let group: [SummaryView.GroupField: String]
    /// Empty if there is none.
    public var summary: String
    public var memoryCount: Int
    /// When the summary was made.
    public var computedAt: Timestamp
    /// Of the memories and the question that the summary was made from.
    var fingerprint: String
    /// Why the last attempt to renew the summary failed; `nil` if it did not.
    public var failure: String?
    /// Of what the model had no answer to, and how often; empty and 0 if it had one, or was not
    /// asked.
    var unanswered = ""
    var unansweredCount = 0

    static func id(_ viewID: String, _ group: [SummaryView.GroupField: String]) -> String {
        let values = group.sorted { $0.key.rawValue < $1.key.rawValue }.flatMap { [$0.key.rawValue, $0.value] }
        return "\(viewID):\(Fingerprint.of(values, length: 40))"
    }

    private var groupJSON: JSONObject {
        var object = JSONObject()
        for (field, value) in group.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            object[field.rawValue] = .string(value)
        }
        return object
    }

    /// The members of the partition as clients see them.
    public var json: JSONObject {
        let isEmpty = memoryCount == 0
        var object: JSONObject = [
            "view_id": .string(viewID), "group": .object(groupJSON), "summary": .string(summary),
            "memory_count": .int(memoryCount), "empty": .bool(isEmpty),
            "empty_reason": isEmpty ? "no_matching_memories" : .null, "computed_at": .string(computedAt.iso8601),
        ]
        if let failure { object["error_message"] = .string(failure) }
        return object
    }

    /// - Parameter view: whose owner it has where the group does not say it.
    func document(of view: SummaryView) -> Document {
        Document(
            DocumentKey(.summaryPartition, Self.id(viewID, group)), parent: viewID,
            namespace: group[.namespace] ?? view.only(.namespace), userID: group[.userID] ?? view.only(.userID),
            body: [
                "group": .object(groupJSON), "summary": .string(summary), "memory_count": .int(memoryCount),
                "computed_at": .int(Int(computedAt.microseconds)), "fingerprint": .string(fingerprint),
                "failure": failure.map { .string($0) } ?? .null, "unanswered": .string(unanswered),
                "unanswered_count": .int(unansweredCount),
            ])
    }

    init(
        viewID: String, group: [SummaryView.GroupField: String], summary: String, memoryCount: Int,
        computedAt: Timestamp, fingerprint: String, failure: String? = nil
    ) {
        self.viewID = viewID
        self.group = group
        self.summary = summary
        self.memoryCount = memoryCount
        self.computedAt = computedAt
        self.fingerprint = fingerprint
        self.failure = failure
    }

    /// Reads ``document(of:)``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    init(_ document: Document) throws(MemoryError) {
        let reader = MemberReader(.object(document.body), of: "a partition of a summary view")
        var group: [SummaryView.GroupField: String] = [:]
        for (name, value) in try reader.required("group", \.objectValue).members {
            if let field = SummaryView.GroupField(rawValue: name) { group[field] = value.stringValue }
        }
        viewID = document.parent
        self.group = group
        summary = try reader.required("summary", \.stringValue)
        memoryCount = try reader.required("memory_count", \.intValue)
        computedAt = try reader.required("computed_at") { $0.intValue.flatMap { Timestamp(microseconds: Int64($0)) } }
        fingerprint = try reader.required("fingerprint", \.stringValue)
        failure = try reader.optional("failure", \.stringValue)
        unanswered = try reader.optional("unanswered", \.stringValue) ?? ""
        unansweredCount = try reader.optional("unanswered_count", \.intValue) ?? 0
    }
}
