public import AgentMemory
import BackendProtocol
import CMemoryBackend

/// What the server passes to a backend that it creates.
public struct BackendContext: Sendable {
    /// The server's embedding model: the vectors of the server's own cache, service or local model.
    public let embedder: any Embedder
    public let metric: DistanceMetric
    /// How long a call may take, without its embeddings.
    public let timeout: Duration
    /// `nil` in a server. A check gives each instance its own name: keep what is stored under it
    /// apart from everything else.
    public let scope: String?
    private let host: Host

    init(_ host: Host) throws(MemoryError) {
        let settings = try host.settings()
        self.host = host
        embedder = HostEmbedder(host: host, model: settings.embeddingModel, dimensions: settings.dimensions)
        metric = settings.metric
        timeout = .milliseconds(settings.timeoutMilliseconds)
        scope = settings.scope
    }

    public enum LogLevel: Int32, Sendable {
        case debug = 0
        case info = 1
        case warning = 2
        case error = 3
    }

    /// Writes a line to the server's log. No secrets, no stored texts.
    public func log(_ level: LogLevel, _ message: String) {
        host.log(level.rawValue, message)
    }
}
