import AgentMemory
import Logging
import ServiceLifecycle

/// Prepares and maintains one store as a service of the server.
struct StoreService: Service {
    /// The component in logs: `store`, `sessions` or `jobs`.
    let component: String
    let logger: Logger
    private let store: any Store

    init(_ component: String, _ store: any Store, logger: Logger) {
        self.component = component
        self.store = store
        self.logger = logger
    }

    /// Prepares the store, but waits no longer than `limit`: ``run()`` prepares a store that is
    /// slow or down later.
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
                try await store.prepare()
                continuation.yield(.prepared)
            } catch let error as MemoryError where error.code == .misconfigured {
                continuation.yield(.refused(error))
            } catch {
                continuation.yield(.later("\(error)"))
            }
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            continuation.yield(.later("it did not respond within \(limit)"))
        }
        defer { timer.cancel() }
        for await outcome in outcomes {
            switch outcome {
            case .prepared: return
            case .refused(let error): throw error
            case .later(let reason):
                logger.warning(
                    "a store is not ready yet; requests that need it get a 503 until it is",
                    metadata: ["component": "\(component)", "reason": "\(reason)"])
                return
            }
        }
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await store.run()
            } catch is CancellationError {
                // The normal end.
            }
        }
    }
}
