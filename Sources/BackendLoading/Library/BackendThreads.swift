import NIOPosix
import Synchronization

/// The threads on which loaded backends are called: their functions may block, which Swift's own
/// threads must not. Started on first use.
final class BackendThreads: Sendable {
    private struct Pools {
        /// For operations; the largest number that may block at the same time.
        let operations: NIOThreadPool
        /// For passing embeddings, and for the two functions that end things: never waits for an
        /// operation.
        let deliveries: NIOThreadPool
    }

    private let count: Int
    private let pools = Mutex<Pools?>(nil)

    /// - Parameter count: threads for operations.
    init(count: Int) {
        self.count = count
    }

    /// Runs an operation of a backend, which may block.
    func operate(_ work: @escaping @Sendable () -> Void) {
        running.operations.submit { _ in work() }
    }

    /// Runs work that must not wait for operations.
    func deliver(_ work: @escaping @Sendable () -> Void) {
        running.deliveries.submit { _ in work() }
    }

    /// Runs `work` as an operation, and waits for its value.
    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            operate { continuation.resume(returning: work()) }
        }
    }

    /// Runs `work`, and waits no longer than `limit` for its end.
    func run(within limit: Duration, _ work: @escaping @Sendable () -> Void) async {
        let (ends, continuation) = AsyncStream<Void>.makeStream()
        deliver {
            work()
            continuation.finish()
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            continuation.finish()
        }
        for await _ in ends {}
        timer.cancel()
    }

    private var running: Pools {
        pools.withLock { pools in
            if let pools { return pools }
            let started = Pools(
                operations: NIOThreadPool(numberOfThreads: count), deliveries: NIOThreadPool(numberOfThreads: 2))
            // Never shut down: that would wait for functions of a backend that may not return.
            started.operations.start()
            started.deliveries.start()
            pools = started
            return started
        }
    }

    deinit {
        // A pool must be shut down before it is released; its threads end when their current work
        // has ended.
        pools.withLock { pools in
            pools?.operations.shutdownGracefully { _ in }
            pools?.deliveries.shutdownGracefully { _ in }
        }
    }
}
