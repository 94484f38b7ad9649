import AgentMemory

/// What a store that dies and comes back is written and asked meanwhile.
extension ConformanceCheck.DurabilityChecks {
    /// Makes the call of this number.
    typealias Writer = @Sendable (Int) async throws -> Void

    /// Adds records with new ids in every call; their namespace has the call's name.
    static func adder(_ scope: CheckScope, _ writer: Int, recordsACall size: Int) -> Writer {
        { call in
            _ = try await scope.database.add(
                try (0..<size).map {
                    try MemoryRecord(
                        id: "w\(writer)-\(call)-\($0)", text: "[1, 0.\(writer)] word \($0)", userID: "w\(writer)",
                        namespace: "w\(writer)-\(call)")
                })
        }
    }

    /// Runs concurrent writers, each with one call after another, kills the store after the given
    /// number of responses, and restarts it.
    ///
    /// - Returns: how many calls of each writer returned.
    static func untilTheCrash(
        _ scope: CheckScope, after calls: Int, _ writers: [Writer]
    ) async throws -> [Int] {
        let faults = try scope.faults
        let (answers, answered) = AsyncStream<Void>.makeStream()
        let written = try await withThrowingTaskGroup(of: (writer: Int, calls: Int)?.self) { group in
            for (index, write) in writers.enumerated() {
                group.addTask {
                    var call = 0
                    while call < 10_000 {
                        do {
                            try await write(call)
                        } catch let error as MemoryError where isDown(error) {
                            return (index, call)
                        }
                        call += 1
                        answered.yield()
                    }
                    throw Mismatch("writes go on to be answered although the store was killed")
                }
            }
            group.addTask {
                var seen = 0
                for await _ in answers {
                    seen += 1
                    if seen == calls { break }
                }
                try await faults.crash()
                return nil
            }
            var written = [Int](repeating: 0, count: writers.count)
            for try await end in group {
                if let end { written[end.writer] = end.calls }
            }
            return written
        }
        try await faults.restart()
        return written
    }

    private static func isDown(_ error: MemoryError) -> Bool {
        error.code == .storeUnavailable || error.code == .timedOut
    }

    /// Expects the typed error of a store that is down, within the time limit.
    static func expectDown(
        _ what: String, _ scope: CheckScope, _ call: @Sendable () async throws -> Void
    ) async throws {
        let clock = ContinuousClock()
        let start = clock.now
        try await scope.expectError(what, .storeUnavailable, .timedOut) { try await call() }
        // With a margin for a busy machine.
        let limit = try scope.faults.deadline + .seconds(5)
        try scope.expect("\(what): ended in \(clock.now - start) of \(limit)", clock.now - start <= limit)
    }

    /// Runs a body while the database's own maintenance runs, as in a server.
    static func whileRunning(_ scope: CheckScope, _ body: () async throws -> Void) async throws {
        let upkeep = Task { try await scope.database.run() }
        do {
            try await body()
        } catch {
            upkeep.cancel()
            _ = await upkeep.result
            throw error
        }
        upkeep.cancel()
        if case .failure(let error) = await upkeep.result, !(error is CancellationError) {
            throw Mismatch("the upkeep ended: \(error)")
        }
    }

    /// The first result of a restarting store. Until then only the errors of an unavailable store
    /// are right.
    static func recovered<Answer: Sendable>(
        _ scope: CheckScope, _ call: () async throws -> Answer
    ) async throws -> Answer {
        let clock = ContinuousClock()
        let limit = clock.now + .seconds(60)
        while true {
            do {
                return try await call()
            } catch let error as MemoryError where isDown(error) && clock.now < limit {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
