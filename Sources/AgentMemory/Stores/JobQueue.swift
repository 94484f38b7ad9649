/// A durable queue of background jobs that any number of processes share.
///
/// A job is done at least once: a worker leases it, and completes, retries or buries it before the
/// lease ends. If a lease ends without that (its worker died), any worker may lease the job again.
/// Two workers never hold a lease of one job at the same time. Times are those of the store's own
/// clock if it has one, so that replicas agree.
///
/// ``Store/health()`` has the component `jobs`.
///
/// All calls may run at the same time, from several processes. Each call ends within the deadline
/// that the queue was configured with, and a cancelled task ends its call early with
/// `CancellationError`; every other failure is a ``MemoryError`` (`storeUnavailable` or
/// `timedOut`). A cancelled or failed ``lease(kinds:limit:for:)`` may have leased jobs without
/// returning them: they can be leased again when the lease ends.
public protocol JobQueue: Store, DeletionNotes {
    /// Adds jobs, all or none. Once this returns they survive a crash of this process (and of the
    /// store, as far as the store keeps anything it has acknowledged).
    ///
    /// - Returns: their ids, in the order given.
    @discardableResult
    func enqueue(_ jobs: [NewJob]) async throws -> [String]

    /// Takes up to `limit` jobs that are due, roughly the oldest first: waiting jobs whose delay
    /// has passed, and jobs whose lease has ended. Does not wait for jobs to appear.
    ///
    /// - Parameters:
    ///   - kinds: only jobs of these kinds; not empty.
    ///   - limit: the largest number of jobs.
    ///   - duration: how long the lease lasts, at least one second.
    func lease(kinds: [String], limit: Int, for duration: Duration) async throws -> [LeasedJob]

    /// Extends the lease to `duration` from now.
    ///
    /// - Returns: `false`, changing nothing, if this is no longer the job's lease: it ended and
    ///   another worker took the job, or the job was deleted.
    func extend(_ job: LeasedJob, for duration: Duration) async throws -> Bool

    /// Removes the job: it is done.
    ///
    /// - Returns: `false`, changing nothing, if this is no longer the job's lease. A lease that has
    ///   ended can still complete if no other worker has taken the job. The same holds for
    ///   ``retry(_:after:reason:)`` and ``bury(_:reason:)``.
    func complete(_ job: LeasedJob) async throws -> Bool

    /// Returns the job to the queue; it can be leased again once `delay` has passed. Its number of
    /// attempts is kept.
    ///
    /// - Parameters:
    ///   - job: the lease that the worker holds.
    ///   - delay: until the next attempt.
    ///   - reason: why it failed, 1,000 bytes at most, without secrets and without stored texts.
    func retry(_ job: LeasedJob, after delay: Duration, reason: String) async throws -> Bool

    /// Moves the job with its payload to the dead-letter list.
    func bury(_ job: LeasedJob, reason: String) async throws -> Bool

    func counts() async throws -> JobCounts

    /// The jobs in `state`, oldest first (by the time they were enqueued, then by id), with their
    /// total.
    func list(_ state: JobState, page: PageRequest) async throws -> Page<JobSummary>

    /// Moves dead jobs back: they can be leased at once, and their attempts count from 0 again.
    ///
    /// - Parameter ids: `nil` takes every dead job. Ids that are not in the dead-letter list are
    ///   ignored.
    /// - Returns: how many were moved.
    func requeue(_ ids: [String]?) async throws -> Int

    // MARK: For erasures

    /// The time by the queue's clock.
    func time() async throws -> Timestamp

    /// Looks at every job once, and removes or changes those that no worker holds.
    ///
    /// - Parameter decision: what is to happen to a job.
    /// - Returns: how many were removed or changed; and the ids of those that a worker holds, of
    ///   all that were not simply to be kept.
    func revise(
        _ decision: @Sendable (QueuedJob) -> JobRevision
    ) async throws -> (revised: Int, leased: [String])
}
