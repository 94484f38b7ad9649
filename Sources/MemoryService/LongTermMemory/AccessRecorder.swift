public import AgentMemory
public import Logging
public import ServiceLifecycle

/// Updates `last_accessed` and `access_count` in the background, for the records that searches have
/// returned.
///
/// A record is written at most once in 15 minutes. Records that are not due are dropped before they
/// are queued, and the store checks again, because other servers return the same records. Updates
/// that cannot be queued or written are dropped: they are statistics, and a search never waits for
/// them.
public struct AccessRecorder: Service {
    /// The least number of seconds between two writes of one record.
    public static let minimumIntervalSeconds = 900
    /// The largest number of queued ids; more are dropped.
    static let queueLimit = 10_000
    /// Ids written in one call of the store.
    static let batchLimit = 500

    private let database: any MemoryVectorDatabase
    private let logger: Logger
    private let now: @Sendable () -> Timestamp
    private let queue: AsyncStream<[String]>
    private let continuation: AsyncStream<[String]>.Continuation

    public init(
        database: any MemoryVectorDatabase, logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.database = database
        self.logger = logger
        self.now = now
        (queue, continuation) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingNewest(Self.queueLimit / Self.batchLimit))
    }

    /// Queues the due records among these; returns at once.
    public func record(_ records: [MemoryRecord]) {
        let access = RecordChanges.Access(at: now(), minimumIntervalSeconds: Self.minimumIntervalSeconds)
        let due = records.filter { access.isDue(lastAccessed: $0.lastAccessed) }.map(\.id)
        for start in stride(from: 0, to: due.count, by: Self.batchLimit) {
            continuation.yield(Array(due[start..<min(start + Self.batchLimit, due.count)]))
        }
    }

    /// Writes the queued updates until the server shuts down.
    public func run() async throws {
        for await ids in queue.cancelOnGracefulShutdown() {
            let access = RecordChanges.Access(at: now(), minimumIntervalSeconds: Self.minimumIntervalSeconds)
            do {
                let changes = try RecordChanges(access: access)
                // They were read on behalf of callers who reach them.
                _ = try await AccessScope.everything.limiting {
                    try await database.update(ids.map { RecordUpdate(id: $0, changes: changes) })
                }
            } catch is CancellationError {
                return
            } catch {
                logger.warning("access times not written", metadata: ["records": "\(ids.count)", "error": "\(error)"])
            }
        }
    }
}
