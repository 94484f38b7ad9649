import AgentMemory
import Logging

extension RedisMemoryDatabase {
    /// Prepares, unless that has succeeded already, and then runs the backfill at intervals.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the settings turn out not to fit what
    ///   the store contains. Once they have fitted, the cause is a change of the store, and the
    ///   maintenance keeps retrying. Returns when it is cancelled.
    public func run() async throws {
        // Records may have been updated while no server with this backend ran, and clocks differ.
        var since = Timestamp.now().advanced(bySeconds: -86_400)
        var nextSweep = ContinuousClock.now
        try await database.maintain(
            every: min(configuration.sweepInterval, configuration.vectorSweepInterval),
            isSettled: { keeper.hasFoundIndex }
        ) {
            try await prepare()
            if nextSweep <= .now {
                // Another client may have changed the settings.
                try await mappingErrors { try await keeper.renewSettings(client) }
                let start = Timestamp.now()
                try await sweep(updatedSince: since)
                since = start.advanced(bySeconds: -120)
                // Comes last: the sweep tells a text that the reference has changed by its old
                // terms.
                do {
                    try await reanalyze()
                } catch let error as MemoryError {
                    reanalysis.fail(error.message)
                    logger.warning(
                        "records of an older version could not be analysed again", metadata: ["error": "\(error)"])
                }
                try await sweepEvents()
                nextSweep = .now + configuration.sweepInterval
            }
            try await removeExpiredIfAny()
            try await completeVectors()
            try await completeTokens()
        }
    }
}
