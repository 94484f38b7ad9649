public import AgentMemory
public import Logging
public import ServiceLifecycle
import Synchronization

/// Takes jobs from the queue and runs their handlers until the server shuts down; then it takes no
/// more and finishes the running ones. Several processes may run workers on one queue.
public struct BackgroundWorker: Service {
    public struct Configuration: Sendable {
        /// Jobs that run at the same time.
        public var concurrency: Int
        /// How often the worker polls the queue if nothing wakes it: for jobs of other processes,
        /// retries and ended leases.
        public var pollInterval: Duration
        /// How long a dead worker keeps others from its jobs. Leases of running jobs are extended
        /// every third of it.
        public var lease: Duration

        public init(
            concurrency: Int = 4, pollInterval: Duration = .seconds(1), lease: Duration = .seconds(15)
        ) {
            self.concurrency = concurrency
            self.pollInterval = pollInterval
            self.lease = lease
        }
    }

    private let queue: any JobQueue
    private let jobs: JobSubmitter
    private let handlers: [String: any JobHandler]
    private let configuration: Configuration
    private let outcomes: JobOutcomes?
    private let logger: Logger

    /// - Parameters:
    ///   - jobs: over the same queue.
    ///   - outcomes: counts what becomes of attempts; several workers may share it.
    public init(
        queue: any JobQueue, jobs: JobSubmitter, handlers: [any JobHandler],
        configuration: Configuration = Configuration(), outcomes: JobOutcomes? = nil, logger: Logger
    ) {
        self.queue = queue
        self.jobs = jobs
        self.handlers = Dictionary(uniqueKeysWithValues: handlers.map { ($0.kind, $0) })
        self.configuration = configuration
        self.outcomes = outcomes
        self.logger = logger
    }

    public func run() async throws {
        let running = RunningCount()
        await withDiscardingTaskGroup { group in
            async let ticking: Void = tick()
            // One wake-up is always buffered: the first poll does not wait for a tick.
            jobs.wake()
            var queueIsDown = false
            for await _ in jobs.wakeUps.cancelOnGracefulShutdown() {
                while !Task.isCancelled {
                    let free = configuration.concurrency - running.value
                    if free <= 0 { break }
                    let leased: [LeasedJob]
                    do {
                        leased = try await queue.lease(
                            kinds: handlers.keys.sorted(), limit: free, for: configuration.lease)
                        queueIsDown = false
                    } catch {
                        // Logged once per outage, not once per tick.
                        if !queueIsDown, !(error is CancellationError) {
                            logger.warning("cannot lease jobs", metadata: ["error": "\(error)"])
                        }
                        queueIsDown = true
                        break
                    }
                    for job in leased {
                        running.add(1)
                        group.addTask {
                            await process(job)
                            running.add(-1)
                            jobs.wake()
                        }
                    }
                    if leased.count < free { break }
                }
            }
            _ = await ticking
        }
    }

    private func tick() async {
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: configuration.pollInterval) }
            jobs.wake()
        }
    }

    /// Runs one job and reports its result to the queue.
    private func process(_ job: LeasedJob) async {
        guard let handler = handlers[job.kind] else { return }
        var logger = logger
        logger[metadataKey: "job"] = "\(job.id)"
        logger[metadataKey: "kind"] = "\(job.kind)"
        let outcome: Outcome
        if job.attempt > handler.retries.attempts {
            // Its earlier workers died without a report, perhaps because of this job.
            outcome = .dead("gave up after \(job.attempt - 1) attempts that ended without a result")
        } else {
            outcome = await attempt(job, handler)
        }
        outcomes?.note(outcome.counted, of: job)
        do {
            switch outcome {
            case .done:
                _ = try await queue.complete(job)
            case .again(let reason), .later(let reason):
                var delay = handler.retries.delay(afterAttempt: job.attempt, random: .random(in: 0...1))
                if case .later = outcome { delay = handler.retries.limit }
                logger.warning(
                    "job failed, will be retried",
                    metadata: ["attempt": "\(job.attempt)", "after": "\(delay)", "reason": "\(reason)"])
                _ = try await queue.retry(job, after: delay, reason: reason)
            case .dead(let reason):
                logger.error(
                    "job failed permanently; see agent-memory jobs list",
                    metadata: ["attempt": "\(job.attempt)", "reason": "\(reason)"])
                _ = try await queue.bury(job, reason: reason)
            case .lost:
                logger.warning("the lease of a job ended while it ran")
            case .interrupted:
                break
            }
        } catch {
            // The lease ends by itself, and then the job runs again.
            logger.warning("the result of a job could not be reported to the queue", metadata: ["error": "\(error)"])
        }
    }

    private enum Outcome: Sendable {
        case done
        case again(String)
        /// As ``again(_:)``, but with a pause long enough for a setting to be changed.
        case later(String)
        case dead(String)
        /// Another worker has the job now.
        case lost
        /// The server is shutting down.
        case interrupted

        var counted: JobOutcomes.Outcome {
            switch self {
            case .done: .done
            case .again, .later: .retried
            case .dead: .dead
            case .lost: .lost
            case .interrupted: .interrupted
            }
        }
    }

    /// Runs the handler, extending the lease meanwhile.
    private func attempt(_ job: LeasedJob, _ handler: any JobHandler) async -> Outcome {
        await withTaskGroup(of: Outcome.self) { group in
            let isLast = job.attempt >= handler.retries.attempts
            group.addTask {
                do {
                    try await handler.run(job, isLastAttempt: isLast)
                    return .done
                } catch is CancellationError {
                    return .interrupted
                } catch let error as JobGivenUp {
                    return .dead(error.reason)
                } catch let error as MemoryError {
                    let reason = "\(error.code.rawValue): \(error.message)"
                    if isLast || error.isFinal { return .dead(reason) }
                    return error.code == .embeddingRefused ? .later(reason) : .again(reason)
                } catch {
                    let reason = "\(type(of: error))"
                    return isLast ? .dead(reason) : .again(reason)
                }
            }
            group.addTask {
                while true {
                    do {
                        try await Task.sleep(for: configuration.lease / 3)
                        if try await !queue.extend(job, for: configuration.lease) { return .lost }
                    } catch is CancellationError {
                        return .interrupted
                    } catch {
                        // The store does not respond now; the next attempt may still be in time.
                    }
                }
            }
            let first = await group.next() ?? .interrupted
            group.cancelAll()
            return first
        }
    }
}

/// Counts the jobs that run.
private final class RunningCount: Sendable {
    private let count = Mutex(0)

    var value: Int { count.withLock { $0 } }

    func add(_ number: Int) {
        count.withLock { $0 += number }
    }
}
