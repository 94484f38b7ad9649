import NIOPosix

/// Separate threads for requests with large bodies or responses: parsing and writing megabytes of
/// JSON keeps a thread busy for a second, and there are only as many event loops as cores.
///
/// Tasks that prefer this executor run on it, including what they call, except what is isolated to
/// an actor with an executor of its own.
final class WorkThreads: TaskExecutor {
    private let pool: NIOThreadPool

    init(count: Int) {
        pool = NIOThreadPool(numberOfThreads: count)
        pool.start()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // After the end of the pool the job runs on the calling thread: a task that was never
        // resumed would hang for ever.
        pool.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    func shutdown() async {
        try? await pool.shutdownGracefully()
    }
}
