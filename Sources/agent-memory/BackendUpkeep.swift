import AgentMemory
import Logging
import ServiceLifecycle

/// Runs the backend's own upkeep as a service of the server.
struct BackendUpkeep: Service {
    let database: any MemoryVectorDatabase
    let logger: Logger

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
                try await database.prepare()
                continuation.yield(.prepared)
            } catch let error as MemoryError where error.code == .misconfigured {
                continuation.yield(.refused(error))
            } catch {
                continuation.yield(.later("\(error)"))
            }
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            continuation.yield(.later("the store has not answered within \(limit)"))
        }
        defer { timer.cancel() }
        for await outcome in outcomes {
            switch outcome {
            case .prepared: return
            case .refused(let error): throw error
            case .later(let reason):
                logger.warning(
                    "the store is not ready yet; requests answer 503 until it is", metadata: ["reason": "\(reason)"])
                return
            }
        }
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await database.run()
            } catch is CancellationError {
                // The way it ends.
            }
        }
    }
}
