import NIOCore

/// Runs tasks on the event loop of a connection.
///
/// A small request waits for a store several times. On the threads that all tasks share, each time
/// that it reads, writes or waits would end in waking another thread, which takes about as long as
/// all of the request's own work. Large requests have ``WorkThreads``.
final class EventLoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
