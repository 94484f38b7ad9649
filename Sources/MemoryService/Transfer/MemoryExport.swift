public import AgentMemory
public import MemoryTransfer
import Synchronization

/// Writes the records and sessions of a selection as an export.
///
/// A ``SnapshotDatabase`` gives its records as they were at one moment, or says that it cannot.
/// Then they are read a second time, and the last line says whether both looks were the same.
public struct MemoryExport: Sendable {
    private let memories: GuardedMemories
    private let sessions: GuardedSessions
    private let space: EmbeddingSpace
    private let metric: DistanceMetric
    private let server: String
    private let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - space: of the vectors of the database.
    ///   - metric: by which the database compares them.
    ///   - server: the version of this program.
    ///   - now: the clock for the date of an export.
    public init(
        database: any MemoryVectorDatabase, sessions: any WorkingMemoryStore, space: EmbeddingSpace,
        metric: DistanceMetric, server: String, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        memories = GuardedMemories(database)
        self.sessions = GuardedSessions(sessions)
        self.space = space
        self.metric = metric
        self.server = server
        self.now = now
    }

    /// What an export has written so far.
    public struct Progress: Sendable {
        public let counts: ExportCounts
        /// The number of records in all; `nil` if it is known only at the end.
        public let records: Int?
    }

    /// Writes an export of what the caller may see.
    ///
    /// Memory holds a page of records or one session, whatever the size of the store; the next ones
    /// are read when `sink` has taken these.
    ///
    /// - Parameters:
    ///   - selection: limited to what the caller may see.
    ///   - caller: needs the right to read.
    ///   - sink: takes the bytes.
    ///   - tell: hears of each page that was written.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend cannot return vectors and
    ///   they are requested; what `sink` throws.
    @discardableResult
    public func run(
        _ selection: SnapshotSelection, for caller: Caller, to sink: any ExportSink,
        _ tell: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws -> ExportCounts {
        let sessions = sessions.scoped(to: caller)
        let memories = memories.scoped(to: caller)
        let selection = selection.with(scope: caller.scope)
        let looks = try await memories.withSnapshot(of: selection) { records in
            let total = try await records.count()
            let output = Mutex(ExportWriter())
            let first = try await sessions.withSessions(of: selection) { sessions in
                let header = ExportHeader(
                    server: server, createdAt: now(), space: space, metric: metric, selection: selection,
                    records: total, sessions: try await sessions.count())
                try await sink.write(output.withLock { $0.header(header) })
                let first = try await write(records, to: sink, output) {
                    tell(Progress(counts: output.withLock(\.counts), records: total))
                }
                while case let page = try await sessions.next(), !page.isEmpty {
                    for session in page { try await sink.write(output.withLock { $0.session(session) }) }
                    tell(Progress(counts: output.withLock(\.counts), records: total))
                }
                return first
            }
            return Looks(first: first, output: output.withLock(\.self), isOfOneMoment: records.isOfOneMoment)
        }
        var output = looks.output
        var isConsistent = looks.isOfOneMoment
        if !isConsistent { isConsistent = try await isUnchanged(looks.first, selection, memories) }
        try await sink.write(output.end(isConsistent: isConsistent))
        return output.counts
    }

    private struct Looks: Sendable {
        let first: SnapshotFingerprint
        let output: ExportWriter
        let isOfOneMoment: Bool
    }

    private func write(
        _ records: any RecordSnapshot, to sink: any ExportSink, _ output: borrowing Mutex<ExportWriter>,
        _ tell: () -> Void
    ) async throws -> SnapshotFingerprint {
        var fingerprint = SnapshotFingerprint()
        while case let page = try await records.next(), !page.isEmpty {
            if !records.isOfOneMoment { for record in page { fingerprint.add(record.record) } }
            try await sink.write(output.withLock { $0.records(page) })
            tell()
        }
        return fingerprint
    }

    /// A second look at the records.
    private func isUnchanged(
        _ first: SnapshotFingerprint, _ selection: SnapshotSelection, _ memories: ScopedMemories
    ) async throws -> Bool {
        try await memories.withSnapshot(of: selection.with(hasVectors: false)) { records in
            var second = SnapshotFingerprint()
            while case let page = try await records.next(), !page.isEmpty {
                for record in page { second.add(record.record) }
            }
            return second == first
        }
    }
}

/// What two looks at the same records have in common, in any order; statistics of accesses do not
/// matter.
struct SnapshotFingerprint: Sendable, Equatable {
    private var count = 0
    private var sum = 0

    mutating func add(_ record: MemoryRecord) {
        var writer = JSONWriter(capacity: record.text.utf8.count + 768)
        for field in record.shownFields where !MemoryRecord.statistics.contains(field) {
            writer.write(field, record.value(of: field), .api)
        }
        var hasher = Hasher()
        writer.bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        count += 1
        sum &+= hasher.finalize()
    }
}

/// The records of a backend without snapshots: listed, newest first, without vectors.
actor ListedSnapshot: RecordSnapshot {
    private static let pageSize = 500

    nonisolated let isOfOneMoment = false
    private let selection: SnapshotSelection
    private let list: @Sendable (MemoryFilter, PageRequest) async throws -> Page<MemoryRecord>
    /// The date of the last record: each page begins there, so that none needs a large offset.
    private var end: Timestamp?
    /// Records with that date that came already.
    private var seenAtEnd = 0
    private var isOver = false

    init(
        _ selection: SnapshotSelection,
        _ list: @escaping @Sendable (MemoryFilter, PageRequest) async throws -> Page<MemoryRecord>
    ) {
        self.selection = selection
        self.list = list
    }

    func count() -> Int? { nil }

    func next() async throws -> [SnapshotRecord] {
        while !isOver {
            var dates: [DateField: DateCondition] = [:]
            if let end { dates[.createdAt] = try DateCondition(field: .createdAt, [DateCondition.Bound(.lte, end)]) }
            let page = try await list(
                try selection.filter().with(dates: dates, scope: .everything),
                PageRequest(limit: Self.pageSize, offset: seenAtEnd))
            isOver = page.nextOffset == nil
            guard let last = page.items.last?.createdAt else { return [] }
            let sharing = page.items.reversed().prefix { $0.createdAt == last }.count
            seenAtEnd = last == end ? seenAtEnd + sharing : sharing
            end = last
            let selected = page.items.filter(selection.contains)
            if !selected.isEmpty { return selected.map { SnapshotRecord($0) } }
        }
        return []
    }
}

/// The snapshot of a caller that may see nothing.
struct EmptySnapshot: RecordSnapshot, SessionSnapshot {
    let isOfOneMoment = true
    func count() -> Int? { 0 }
    func next() -> [SnapshotRecord] { [] }
    func next() -> [WorkingMemory] { [] }
}
