public import AgentMemory

/// Accepts work for the background. The worker of this process is woken at once; those of other
/// processes see the job at their next poll.
public struct JobSubmitter: Sendable {
    private let queue: any JobQueue
    let wakeUps: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    public init(queue: any JobQueue) {
        self.queue = queue
        (wakeUps, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Queues jobs. Once this returns, they survive a crash.
    ///
    /// - Throws: ``MemoryError`` as ``JobQueue/enqueue(_:)``.
    public func enqueue(_ jobs: [NewJob]) async throws {
        if jobs.isEmpty { return }
        try await queue.enqueue(jobs)
        wake()
    }

    /// Makes the worker look for jobs now.
    func wake() {
        continuation.yield()
    }
}
