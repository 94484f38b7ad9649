public import AgentMemory

/// The description of a backend by itself: `description` in the schema.
public struct BackendDescription: Sendable, Equatable {
    /// For logs and messages, such as `acme`; never empty.
    public let name: String
    public let version: String?
    public let capabilities: BackendCapabilities

    public init(name: String, version: String? = nil, capabilities: BackendCapabilities) {
        self.name = name
        self.version = version
        self.capabilities = capabilities
    }

    public var json: [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.object { writer in
            writer.name("name")
            writer.string(name)
            writer.name("version")
            writer.string(version)
            writer.name("capabilities")
            writer.object { writer in
                for (member, flag) in Self.flags {
                    writer.name(member)
                    writer.bool(capabilities[keyPath: flag])
                }
                // Servers that do not know it refuse it.
                if capabilities.opaqueBytes { writer.member(Self.opaqueBytes, true) }
                writer.name("text_scorers")
                writer.strings(capabilities.textScorers.map(\.rawValue).sorted())
            }
        }
        return writer.bytes
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the member at fault. An
    ///   unknown member is one too: a misspelt capability would be missing unnoticed.
    public init(json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the description", failing: .misconfigured)
        name = try reader.required("name") { $0.stringValue.flatMap { $0.isEmpty ? nil : $0 } }
        version = try reader.optional("version", \.stringValue)
        let members = try reader.required("capabilities", \.objectValue)
        try Self.refuseUnknown(json.objectValue ?? [:], known: ["name", "version", "capabilities"], "the description")
        let known = Self.flags.map(\.member) + [Self.opaqueBytes, "text_scorers"]
        try Self.refuseUnknown(members, known: known, "capabilities")
        let flags = MemberReader(.object(members), of: "capabilities", failing: .misconfigured)
        let keyword = try flags.optional("keyword_search", \.boolValue) ?? false
        let hybrid = try flags.optional("hybrid_search", \.boolValue) ?? false
        let names = try flags.optionalStrings("text_scorers") ?? (keyword || hybrid ? ["BM25STD"] : [])
        let scorers = names.compactMap(TextScorer.init)
        guard scorers.count == names.count else { throw flags.unreadable("text_scorers") }
        capabilities = BackendCapabilities(
            keywordSearch: keyword, hybridSearch: hybrid,
            serverSideRecency: try flags.optional("server_side_recency", \.boolValue) ?? false,
            distanceThreshold: try flags.optional("distance_threshold", \.boolValue) ?? false,
            metadataFilters: try flags.optional("metadata_filters", \.boolValue) ?? false,
            opaqueBytes: try flags.optional(Self.opaqueBytes, \.boolValue) ?? false,
            textScorers: Set(scorers))
    }

    private static let opaqueBytes = "opaque_bytes"

    /// The capabilities by their names in the schema, those that every description names.
    public static var flags: [(member: String, flag: KeyPath<BackendCapabilities, Bool>)] {
        [
            ("keyword_search", \.keywordSearch), ("hybrid_search", \.hybridSearch),
            ("server_side_recency", \.serverSideRecency), ("distance_threshold", \.distanceThreshold),
            ("metadata_filters", \.metadataFilters),
        ]
    }

    private static func refuseUnknown(_ object: JSONObject, known: [String], _ what: String) throws(MemoryError) {
        for member in object.members where !known.contains(member.name) {
            throw MemoryError(
                .misconfigured,
                "\(what) has a member \(member.name.debugDescription) that is not known; known are \(known.joined(separator: ", "))"
            )
        }
    }
}
