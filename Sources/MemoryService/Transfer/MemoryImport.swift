public import AgentMemory
import MemoryTransfer

/// Stores the records and sessions of an export.
///
/// Records are stored in batches, each of them whole or not at all, in the order of the export. All
/// batches are one operation of the history, which can be undone. An import that was interrupted is
/// completed by the same import with ``ImportOptions/Existing/skip``.
public struct MemoryImport: Sendable {
    private let memory: LongTermMemory
    private let sessions: GuardedSessions
    private let promotion: Promotion
    private let space: EmbeddingSpace

    /// Records of a batch, and bytes of their texts, at most.
    private static let batchRecords = 200
    private static let batchBytes = 4 << 20

    /// - Parameters:
    ///   - memory: gets the records.
    ///   - sessions: gets the sessions.
    ///   - promotion: gets what waits in the sessions for long-term memory.
    ///   - space: of the vectors of this server.
    public init(
        memory: LongTermMemory, sessions: any WorkingMemoryStore, promotion: Promotion, space: EmbeddingSpace
    ) {
        self.memory = memory
        self.promotion = promotion
        self.sessions = GuardedSessions(sessions)
        self.space = space
    }

    /// Reads an export to its end and checks every line, its counts and its checksum.
    ///
    /// - Parameter next: returns the next bytes; `nil` at the end.
    /// - Throws: ``MemoryError`` with code `invalidInput` that names the line.
    public static func verify(_ next: () async throws -> [UInt8]?) async throws {
        var reader = ExportReader()
        while let bytes = try await next() {
            reader.append(bytes)
            while try reader.next() != nil {}
        }
        try reader.finish()
    }

    /// Stores what an export has.
    ///
    /// - Parameters:
    ///   - next: returns the next bytes; `nil` at the end.
    ///   - options: see there.
    ///   - caller: needs the right to write; all records and sessions must be within its limits.
    ///   - tell: hears of each batch that was stored.
    /// - Throws: ``MemoryError``: `invalidInput`, `forbidden` and `conflict` name the line. The
    ///   message says what was stored before, and by which operation.
    public func run(
        _ options: ImportOptions, for caller: Caller, _ tell: @Sendable (ImportOutcome) -> Void = { _ in },
        reading next: () async throws -> [UInt8]?
    ) async throws -> ImportOutcome {
        try caller.require(.write)
        let origin = WriteOrigin(caller: caller.subject, kind: .imported)
        var work = ImportWork(
            memory: memory, sessions: sessions.scoped(to: caller), promotion: promotion, caller: caller,
            options: options, space: space,
            outcome: ImportOutcome(operation: origin.operation, isDryRun: options.isDryRun))
        do {
            return try await WriteOrigin.$current.withValue(origin) {
                var reader = ExportReader()
                while let bytes = try await next() {
                    reader.append(bytes)
                    while let line = try reader.next() {
                        try await work.take(line, number: reader.lineNumber)
                        tell(work.outcome)
                    }
                }
                try reader.finish()
                return work.outcome
            }
        } catch let error as MemoryError {
            throw work.completed(error)
        }
    }

    fileprivate static func isFull(_ records: Int, bytes: Int) -> Bool {
        records >= batchRecords || bytes >= batchBytes
    }
}

/// One import at work.
private struct ImportWork {
    let memory: LongTermMemory
    let sessions: ScopedSessions
    let promotion: Promotion
    let caller: Caller
    let options: ImportOptions
    let space: EmbeddingSpace
    var outcome: ImportOutcome
    private var header: ExportHeader?
    private var batch: [(line: Int, record: SnapshotRecord)] = []
    private var ids: [ExactString: Int] = [:]
    private var bytes = 0

    init(
        memory: LongTermMemory, sessions: ScopedSessions, promotion: Promotion, caller: Caller,
        options: ImportOptions, space: EmbeddingSpace, outcome: ImportOutcome
    ) {
        self.memory = memory
        self.promotion = promotion
        self.sessions = sessions
        self.caller = caller
        self.options = options
        self.space = space
        self.outcome = outcome
    }

    mutating func take(_ line: ExportReader.Line, number: Int) async throws {
        switch line {
        case .header(let header):
            if options.keepsVectors { try check(header) }
            self.header = header
        case .record(let record):
            try add(record, line: number)
            if MemoryImport.isFull(batch.count, bytes: bytes) { try await storeBatch() }
        case .session(let session):
            try await storeBatch()
            do {
                try await store(session)
            } catch let error as MemoryError {
                throw error.at(line: number)
            }
        case .end(let counts):
            try await storeBatch()
            outcome.isConsistent = counts.isConsistent
        }
    }

    /// Refuses vectors that mean nothing to this server.
    private func check(_ header: ExportHeader) throws(MemoryError) {
        let advice = "import without keeping them, and they are made by the model of this server"
        guard header.hasVectors else {
            throw MemoryError(.invalidCombination, "the export has no vectors to keep; \(advice)")
        }
        guard memory.takesVectors else {
            throw MemoryError(
                .unsupported, "this backend cannot keep the vectors of an export; \(advice)",
                path: [.key("keep_vectors")])
        }
        guard header.space == space else {
            throw MemoryError(
                .invalidCombination,
                "the vectors of the export are of the embedding model \(header.space), and this server has \(space); \(advice)"
            )
        }
    }

    private mutating func add(_ given: SnapshotRecord, line: Int) throws(MemoryError) {
        var record = given.record
        if options.makesNewIDs, let header { record = try record.renamed(to: NewID.of(record.id, in: header.id)) }
        guard caller.reaches(record) else {
            throw MemoryError(
                .forbidden,
                "line \(line): this caller may not write to the namespace or user of the memory \(record.id)"
            ).at(line: line)
        }
        if let earlier = ids.updateValue(line, forKey: ExactString(record.id)) {
            throw MemoryError(.invalidInput, "line \(line) has the id \(record.id) of line \(earlier)").at(line: line)
        }
        batch.append((line, SnapshotRecord(record, vector: given.vector)))
        bytes += record.text.utf8.count
    }

    private mutating func storeBatch() async throws {
        guard let first = batch.first?.line, let last = batch.last?.line else { return }
        var vectors: [ExactString: [Float]] = [:]
        if options.keepsVectors {
            for (_, record) in batch { vectors[ExactString(record.record.text)] = record.vector }
        }
        do {
            let stored = try await KnownVectors.$current.withValue(vectors) {
                try await memory.store(
                    batch.map(\.record.record), options.existing, isDryRun: options.isDryRun, for: caller)
            }
            outcome.records.add(stored)
        } catch let conflict as ExistingRecord {
            let line = ids[ExactString(conflict.id)] ?? first
            throw MemoryError(.conflict, "line \(line): the memory \(conflict.id) exists already").at(line: line)
        } catch let error as MemoryError {
            throw MemoryError(
                error.code, "lines \(first) to \(last): \(error.message)", path: error.path,
                setting: error.setting, underlying: error.underlying, mayHaveBeenDone: error.mayHaveBeenDone)
        }
        batch = []
        ids = [:]
        bytes = 0
    }

    private mutating func store(_ given: WorkingMemory) async throws {
        var session = given
        if options.makesNewIDs, let header {
            session.memories = try session.memories.map { memory in
                SessionMemory(
                    try memory.record.renamed(to: NewID.of(memory.id, in: header.id)), givenLists: memory.givenLists,
                    persistedAt: memory.persistedAt)
            }
        }
        try sessions.check(session.key, session.memories)
        // Each attempt fails only because another write of the session came in between.
        for _ in 0..<12 {
            let current = try await sessions.current(session.key, lastMessages: 0)?.current
            if current != nil {
                switch options.existing {
                case .skip:
                    outcome.sessions.skipped += 1
                    return
                case .refuse:
                    throw MemoryError(.conflict, "the session \(session.key.sessionID) exists already")
                case .replace: break
                }
            }
            if !options.isDryRun, try await !write(session, over: current) { continue }
            if current == nil { outcome.sessions.added += 1 } else { outcome.sessions.replaced += 1 }
            return
        }
        throw MemoryError(.conflict, "the session \(session.key.sessionID) is changed all the time")
    }

    /// With the jobs for what waits for its promotion: the jobs of the other store are not in the
    /// export.
    ///
    /// - Returns: whether no other write came in between.
    private func write(_ given: WorkingMemory, over current: SessionRevision?) async throws -> Bool {
        var session = given
        if let current, session.lastAccessed <= current.stamp {
            // Stamps of one session only grow.
            session.lastAccessed = Timestamp(microseconds: current.stamp.microseconds + 1) ?? .latest
        }
        do {
            _ = try await sessions.write(
                session, expecting: current.map { .revision($0.number) } ?? .absent, writerStamp: nil,
                enqueueing: promotion.jobs(for: session, after: nil, by: caller))
            return true
        } catch let error as MemoryError where error.code == .conflict {
            return false
        }
    }

    /// The error of the import, which says what was done before.
    func completed(_ error: MemoryError) -> MemoryError {
        let written = outcome.records.added + outcome.records.replaced
        let sessions = outcome.sessions.added + outcome.sessions.replaced
        guard !options.isDryRun, written + sessions > 0 else { return error }
        return MemoryError(
            error.code,
            """
            \(error.message) (before that, \(written) memories and \(sessions) sessions were imported: repeat the \
            import with "skip" for what exists, or undo the operation \(outcome.operation))
            """, path: error.path, setting: error.setting, underlying: error.underlying, mayHaveBeenDone: true)
    }
}

extension MemoryError {
    fileprivate func at(line: Int) -> MemoryError {
        let text = message.hasPrefix("line ") ? message : "line \(line): \(message)"
        return MemoryError(
            code, text, path: [.key("line"), .index(line)] + path, underlying: underlying,
            mayHaveBeenDone: mayHaveBeenDone)
    }
}

extension ImportOutcome.Counts {
    fileprivate mutating func add(_ other: Self) {
        added += other.added
        replaced += other.replaced
        skipped += other.skipped
    }
}
