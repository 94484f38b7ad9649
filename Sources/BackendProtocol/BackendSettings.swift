public import AgentMemory

/// The settings that a backend gets when it is created: `settings` in the schema.
public struct BackendSettings: Sendable, Equatable {
    public let embeddingModel: String
    /// The length of every vector.
    public let dimensions: Int
    public let metric: DistanceMetric
    /// How long a call may take, without its embeddings, in milliseconds.
    public let timeoutMilliseconds: Int
    /// `nil` in a server; in a check, a name under which its data must be stored apart.
    public let scope: String?

    public init(
        embeddingModel: String, dimensions: Int, metric: DistanceMetric, timeoutMilliseconds: Int, scope: String? = nil
    ) {
        self.embeddingModel = embeddingModel
        self.dimensions = dimensions
        self.metric = metric
        self.timeoutMilliseconds = timeoutMilliseconds
        self.scope = scope
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("embedding_model")
            writer.string(embeddingModel)
            writer.name("dimensions")
            writer.int(dimensions)
            writer.name("distance_metric")
            writer.string(metric.rawValue)
            writer.name("timeout_ms")
            writer.int(timeoutMilliseconds)
            writer.name("scope")
            writer.string(scope)
        }
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the member at fault.
    public init(json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the settings", failing: .misconfigured)
        embeddingModel = try reader.required("embedding_model", \.stringValue)
        dimensions = try reader.required("dimensions", \.intValue)
        metric = try reader.required("distance_metric") { $0.stringValue.flatMap(DistanceMetric.init) }
        timeoutMilliseconds = try reader.required("timeout_ms", \.intValue)
        scope = try reader.optional("scope", \.stringValue)
    }
}
