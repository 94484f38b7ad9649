import AgentMemory
import BackendProtocol

/// Carries calls across the border to a backend that was loaded, whatever lies beyond it.
protocol BackendTransport: Sendable {
    /// What the backend said of itself when it was made.
    var description: BackendDescription { get }

    /// Whether the backend has an operation that it may lack.
    func has(_ operation: BackendOperation) -> Bool

    /// Grows whenever the backend had to be made anew, so that it must be prepared again.
    var generation: Int { get }

    /// The answer of one call.
    ///
    /// - Parameters:
    ///   - request: JSON.
    ///   - texts: those in the request of which the backend may need the vectors.
    /// - Throws: ``MemoryError``; `CancellationError`.
    func call(_ operation: BackendOperation, _ request: [UInt8], texts: [String]) async throws -> JSONValue

    /// Keeps the backend alive until the task is cancelled.
    func run() async throws

    /// Ends the backend; waits no longer than a few seconds for it. No other call follows.
    func close() async
}
