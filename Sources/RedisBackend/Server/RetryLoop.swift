import AgentMemory
import Logging

/// Work that is repeated until its task is cancelled: soon again, in growing distances, while it fails.
struct RetryLoop: Sendable {
    /// The pause after success, and the longest one after a failure.
    let interval: Duration
    let logger: Logger

    /// - Parameter isSettled: whether the settings have fitted once; from then on it is the store that has changed.
    /// - Throws: ``MemoryError`` with code `misconfigured` if the settings turn out not to fit before that. Returns when it is
    ///   cancelled.
    func run(isSettled: () -> Bool, _ work: () async throws -> Void) async throws {
        var pause = Duration.milliseconds(200)
        while !Task.isCancelled {
            do {
                try await work()
                pause = interval
            } catch let error as MemoryError where error.code == .misconfigured && !isSettled() {
                throw error
            } catch is CancellationError {
                return
            } catch {
                logger.warning("Redis upkeep failed, trying again", metadata: ["error": "\(error)"])
                pause = min(pause * 2, interval)
            }
            try? await Task.sleep(for: pause)
        }
    }
}
