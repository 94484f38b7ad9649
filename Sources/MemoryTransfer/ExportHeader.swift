public import AgentMemory

/// The first line of an export: what it contains, and what its vectors mean.
public struct ExportHeader: Sendable, Equatable {
    public static let format = "agent-memory-export"
    /// The version of the format that this module writes, and the only one that it reads.
    public static let version = 1

    /// A number of the export, from which an import makes new ids.
    public let id: String
    /// The version of the program that wrote it.
    public let server: String
    public let createdAt: Timestamp
    /// The model that made the vectors of the store; `nil` for one that is not on record.
    public let model: String?
    /// The length of the vectors.
    public let dimensions: Int
    public let metric: DistanceMetric
    /// Whether records come with their vectors.
    public let hasVectors: Bool
    /// What the export is limited to.
    public let namespace: String?
    public let userID: String?
    public let sessionID: String?
    /// The number of records; `nil` if it was not known at the beginning.
    public let records: Int?
    /// The number of sessions; `nil` if it was not known at the beginning.
    public let sessions: Int?

    public init(
        id: String = ULID.make(), server: String, createdAt: Timestamp, space: EmbeddingSpace, metric: DistanceMetric,
        selection: SnapshotSelection, records: Int?, sessions: Int?
    ) {
        self.id = id
        self.server = server
        self.createdAt = createdAt
        model = space.model
        dimensions = space.dimensions
        self.metric = metric
        hasVectors = selection.hasVectors
        namespace = selection.namespace
        userID = selection.userID
        sessionID = selection.sessionID
        self.records = records
        self.sessions = sessions
    }

    /// What the vectors must share with those of a store that keeps them.
    public var space: EmbeddingSpace { EmbeddingSpace(model: model, dimensions: dimensions) }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("format", Self.format)
            writer.member("version", Self.version)
            writer.member("id", id)
            writer.member("server", server)
            writer.member("created_at", createdAt.iso8601)
            writer.member("embedding_model", model)
            writer.member("dimensions", dimensions)
            writer.member("metric", metric.rawValue)
            writer.member("vectors", hasVectors)
            writer.member("filter") { writer in
                writer.object { writer in
                    writer.member("namespace", namespace)
                    writer.member("user_id", userID)
                    writer.member("session_id", sessionID)
                }
            }
            if let records { writer.member("records", records) }
            if let sessions { writer.member("sessions", sessions) }
        }
    }

    /// Reads the first line.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput`.
    init(_ json: JSONValue) throws(MemoryError) {
        guard json["format"]?.stringValue == Self.format else {
            throw .invalid("format", "the first line is not that of an export: it has no format \(Self.format)")
        }
        let line = MemberReader(json, of: "line 1", failing: .invalidInput)
        let version = try line.required("version", \.intValue)
        guard version == Self.version else {
            throw .invalid(
                "version", "the export has the format version \(version), this server reads version \(Self.version)")
        }
        id = try line.required("id", \.stringValue)
        server = try line.required("server", \.stringValue)
        createdAt = try line.required("created_at") { $0.stringValue.flatMap { Timestamp(parsing: $0) } }
        model = try line.optional("embedding_model", \.stringValue)
        dimensions = try line.required("dimensions", \.intValue)
        metric = try line.required("metric") { $0.stringValue.flatMap(DistanceMetric.init) }
        hasVectors = try line.required("vectors", \.boolValue)
        let filter = MemberReader(
            try line.required("filter") { $0.objectValue.map(JSONValue.object) }, of: "the filter of line 1",
            failing: .invalidInput)
        namespace = try filter.optional("namespace", \.stringValue)
        userID = try filter.optional("user_id", \.stringValue)
        sessionID = try filter.optional("session_id", \.stringValue)
        records = try line.optional("records", \.intValue)
        sessions = try line.optional("sessions", \.intValue)
    }
}

/// What an export contains, as its last line says.
public struct ExportCounts: Sendable, Equatable {
    public internal(set) var records = 0
    public internal(set) var sessions = 0
    /// Whether the records were those of one moment.
    public internal(set) var isConsistent = true

    public init() {}
}
