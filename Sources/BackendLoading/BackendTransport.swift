import AgentMemory
import BackendProtocol

/// Carries calls across the border to a loaded backend, of any kind.
protocol BackendTransport: Sendable {
    /// The backend's own description from its creation.
    var description: BackendDescription { get }

    /// Whether the backend has an optional operation.
    func has(_ operation: BackendOperation) -> Bool

    /// Increases whenever the backend was created again, so that it must be prepared again.
    var generation: Int { get }

    /// The result of one call.
    ///
    /// - Parameters:
    ///   - request: JSON.
    ///   - texts: those in the request whose vectors the backend may need.
    /// - Throws: ``MemoryError``; `CancellationError`.
    func call(_ operation: BackendOperation, _ request: [UInt8], texts: [String]) async throws -> JSONValue

    /// Keeps the backend running until the task is cancelled.
    func run() async throws

    /// Closes the backend, waiting a few seconds for it at most. No other call follows.
    func close() async
}
