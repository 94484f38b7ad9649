import NIOPosix

/// Threads of their own for requests with large bodies or answers: parsing and writing megabytes of
/// JSON keeps a thread busy for a second, and the threads that all tasks share are as few as the
/// cores.
///
/// Tasks that prefer this executor run on it, whatever they call; what is isolated to an actor with
/// an executor of its own does not.
final class WorkThreads: TaskExecutor {
    private let pool: NIOThreadPool

    init(count: Int) {
        pool = NIOThreadPool(numberOfThreads: count)
        pool.start()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // After the end of the pool the job runs right here: a task that was never resumed would
        // hang for ever.
        pool.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    func shutdown() async {
        try? await pool.shutdownGracefully()
    }
}
