import AgentMemory
import Logging

extension RedisMemoryDatabase {
    /// Prepares, if that has not succeeded yet, and then sweeps from time to time.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the settings turn out not to fit what the store holds.
    ///   Once they have fitted, it is the store that has changed, and the upkeep goes on trying. Returns when it is
    ///   cancelled.
    public func run() async throws {
        var pause = Duration.milliseconds(200)
        // Records may have been updated while no server of ours ran, and clocks differ.
        var since = Timestamp.now().advanced(bySeconds: -86_400)
        while !Task.isCancelled {
            do {
                try await prepare()
                let start = Timestamp.now()
                try await sweep(updatedSince: since)
                since = start.advanced(bySeconds: -120)
                pause = configuration.sweepInterval
            } catch let error as MemoryError where error.code == .misconfigured && !keeper.hasFoundIndex {
                throw error
            } catch is CancellationError {
                return
            } catch {
                logger.warning("Redis upkeep failed, trying again", metadata: ["error": "\(error)"])
                pause = min(pause * 2, configuration.sweepInterval)
            }
            try? await Task.sleep(for: pause)
        }
    }
}
