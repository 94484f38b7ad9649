public import AgentMemory
public import HTTPClient
public import Logging
import SentenceModel

/// Makes the reranker that a configuration asks for.
public enum RerankerFactory {
    /// No service is asked yet, but a local model's files are checked.
    ///
    /// - Parameter client: may be shared; ending it is the owner's work.
    /// - Returns: `nil` if neither a model nor a service is configured.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field or the file.
    public static func make(
        _ configuration: RerankerConfiguration, client: HTTPClient, logger: Logger = Logger(label: "reranking")
    ) throws(MemoryError) -> (any Reranker)? {
        guard let model = try model(configuration, client: client, logger: logger) else { return nil }
        guard let meter = configuration.meter else { return model }
        return MeasuredReranker(model, meter: meter)
    }

    private static func model(
        _ configuration: RerankerConfiguration, client: HTTPClient, logger: Logger
    ) throws(MemoryError) -> (any Reranker)? {
        if let path = configuration.modelPath {
            var local = CrossEncoder.Configuration(
                name: path.split(separator: "/").last.map(String.init) ?? path, path: path)
            local.threads = configuration.threads
            local.threadsName = configuration.names.threads
            local.deadline = configuration.deadline
            return try CrossEncoder(local)
        }
        guard configuration.baseURL != nil else { return nil }
        return try ServiceReranker(configuration, client: client, logger: logger)
    }
}
