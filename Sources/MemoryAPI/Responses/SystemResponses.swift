public import AgentMemory

/// Confirms that the process works, with its clock in milliseconds since the epoch.
public struct HealthResponse: APIResponse {
    private let now: Timestamp

    public init(now: Timestamp) {
        self.now = now
    }

    public var estimatedBytes: Int { 64 }

    public func write(to writer: inout JSONWriter) {
        writer.object { $0.member("now", Int(now.microseconds / 1000)) }
    }
}

/// Whether the server can work, and the state of each part.
public struct ReadinessResponse: APIResponse {
    private let backend: String
    private let embeddingModel: String
    private let components: [ComponentHealth]
    private let authentication: String?
    private let hasDetails: Bool

    /// - Parameters:
    ///   - authentication: how callers are authenticated; `nil` if they are not.
    ///   - hasDetails: whether more than the status is shown.
    public init(
        backend: String, embeddingModel: String, components: [ComponentHealth], authentication: String? = nil,
        hasDetails: Bool = true
    ) {
        self.backend = backend
        self.embeddingModel = embeddingModel
        self.components = components
        self.authentication = authentication
        self.hasDetails = hasDetails
    }

    /// Whether every part is well.
    public var isReady: Bool { components.allSatisfy(\.isOK) }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("status", isReady ? "ok" : "unavailable")
            guard hasDetails else { return }
            writer.member("auth", authentication ?? "disabled")
            writer.member("backend", backend)
            writer.member("embedding_model", embeddingModel)
            writer.name("components")
            writer.object { writer in
                for component in components {
                    writer.name(component.component)
                    Self.write(component, to: &writer)
                }
            }
        }
    }

    private static func write(_ component: ComponentHealth, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("status", component.isOK ? "ok" : "unavailable")
            if let reason = component.reason { writer.member("reason", reason) }
            if let warning = component.warning { writer.member("warning", warning) }
            if let version = component.version { writer.member("version", version) }
        }
    }
}

/// What language models have used.
public struct UsageResponse: APIResponse {
    private let usage: [LanguageUsage]

    /// - Parameter usage: by model, task and namespace.
    public init(_ usage: [LanguageUsage]) {
        self.usage = usage
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("usage")
            writer.array { writer in
                for part in usage {
                    writer.object { writer in
                        writer.member("model", part.model)
                        writer.member("task", part.task.rawValue)
                        writer.member("namespace", part.namespace)
                        writer.member("calls", part.calls)
                        writer.member("failed_calls", part.failures)
                        writer.member("input_tokens", part.tokens.input)
                        writer.member("output_tokens", part.tokens.output)
                    }
                }
            }
        }
    }
}
