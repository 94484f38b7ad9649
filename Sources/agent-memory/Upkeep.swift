import AgentMemory
import Logging
import ServiceLifecycle

/// Prepares one store and runs its own upkeep as a service of the server.
struct Upkeep: Service {
    /// For logs, such as `sessions`.
    let name: String
    let logger: Logger
    private let prepareStore: @Sendable () async throws -> Void
    private let runStore: @Sendable () async throws -> Void

    init(_ database: any MemoryVectorDatabase, logger: Logger) {
        name = "store"
        self.logger = logger
        prepareStore = { try await database.prepare() }
        runStore = { try await database.run() }
    }

    init(_ store: any WorkingMemoryStore, logger: Logger) {
        name = "sessions"
        self.logger = logger
        prepareStore = { try await store.prepare() }
        runStore = { try await store.run() }
    }

    init(_ queue: any JobQueue, logger: Logger) {
        name = "jobs"
        self.logger = logger
        prepareStore = { try await queue.prepare() }
        runStore = { try await queue.run() }
    }

    /// Prepares the store, but waits no longer than `limit`: one that is slow or down is prepared by ``run()`` later.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured`: then the server must not start.
    func prepare(within limit: Duration) async throws {
        enum Outcome: Sendable {
            case prepared
            case later(String)
            case refused(MemoryError)
        }
        let (outcomes, continuation) = AsyncStream<Outcome>.makeStream()
        Task {
            do {
                try await prepareStore()
                continuation.yield(.prepared)
            } catch let error as MemoryError where error.code == .misconfigured {
                continuation.yield(.refused(error))
            } catch {
                continuation.yield(.later("\(error)"))
            }
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            continuation.yield(.later("it has not answered within \(limit)"))
        }
        defer { timer.cancel() }
        for await outcome in outcomes {
            switch outcome {
            case .prepared: return
            case .refused(let error): throw error
            case .later(let reason):
                logger.warning(
                    "a store is not ready yet; requests that need it answer 503 until it is",
                    metadata: ["component": "\(name)", "reason": "\(reason)"])
                return
            }
        }
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await runStore()
            } catch is CancellationError {
                // The way it ends.
            }
        }
    }
}
