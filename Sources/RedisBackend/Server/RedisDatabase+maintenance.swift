import AgentMemory
import Logging

extension RedisDatabase {
    /// Runs `work` at every `interval` until the task is cancelled; after a failure sooner, with
    /// growing pauses.
    ///
    /// - Parameter isSettled: whether the settings have fitted once; later failures are due to
    ///   changes of the store.
    /// - Throws: ``MemoryError`` with code `misconfigured` if the settings turn out not to fit
    ///   before that. Returns when it is cancelled.
    func maintain(
        every interval: Duration, isSettled: () -> Bool, _ work: () async throws -> Void
    ) async throws {
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
                logger.warning("Redis maintenance failed, trying again", metadata: ["error": "\(error)"])
                pause = min(pause * 2, interval)
            }
            try? await Task.sleep(for: pause)
        }
    }

    /// The state of a part of the store; never throws.
    ///
    /// - Parameter check: determines it, within half of a call's time.
    func health(_ component: String, _ check: () async throws -> ComponentHealth) async -> ComponentHealth {
        do {
            return try await mappingErrors(within: timeout / 2, check)
        } catch {
            let reason = (error as? MemoryError)?.message ?? "the Redis server did not respond"
            return ComponentHealth(component, reason: reason)
        }
    }
}
