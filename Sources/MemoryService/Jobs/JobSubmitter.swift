public import AgentMemory

/// Where work for the background is handed in. The worker of this process is woken at once; those
/// of other processes see the job when they next look.
public struct JobSubmitter: Sendable {
    private let queue: any JobQueue
    let wakeUps: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    public init(queue: any JobQueue) {
        self.queue = queue
        (wakeUps, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Once this returns, the jobs survive a crash.
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
