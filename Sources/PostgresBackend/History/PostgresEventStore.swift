public import AgentMemory
import PostgresDriver

/// The history of a backend that makes none itself, in the table `memory_events`.
public final class PostgresEventStore: EventStore, RestingStore {
    public let name = "postgres"
    public var makesEvents: Bool { history != .off }

    let database: PostgresDatabase
    private let history: HistoryRetention

    private static let upkeepInterval: Duration = .seconds(5)
    private static let eventsPerErasure = 5000

    /// A store in a database that others may use too. Nothing is connected yet: that is what
    /// ``prepare()`` does.
    ///
    /// - Parameters:
    ///   - database: has the table.
    ///   - history: how long events are kept.
    public init(database: PostgresDatabase, history: HistoryRetention = .standard) {
        self.database = database
        self.history = history
        database.join()
    }

    public func prepare() async throws {
        try await database.prepare(evenIfDone: false)
    }

    public func run() async throws {
        try await database.maintain(every: Self.upkeepInterval) {
            try await database.sweepEvents(history)
        }
    }

    public func close() async {
        database.leave()
    }

    public var isQuiet: Bool { database.quietTime.isQuiet }

    public func health() async -> [ComponentHealth] {
        [await database.health("history")]
    }

    // MARK: Events

    public func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        try await database.call { deadline in
            try await self.database.events(of: id, within: scope, page: page, deadline)
        }
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        try await database.call { deadline in
            try await self.database.events(after: sequence, limit: limit, within: scope, deadline)
        }
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        try await database.call { deadline in
            try await self.database.events(
                ofOperation: operation, after: sequence, limit: limit, within: scope, deadline)
        }
    }

    public func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        try await database.call { deadline in try await self.database.latestEvents(of: ids, deadline) }
    }

    public func append(_ events: [NewEvent]) async throws {
        guard makesEvents, !events.isEmpty else { return }
        _ = try await send([ErasureSQL.hold, OpenWriteSQL.end(nil, events)])
    }

    // MARK: Writes

    public func open(_ lease: WriteLease, keys: [String], for duration: Duration) async throws -> [OpenWrite]? {
        let opening = [
            OpenWriteSQL.hold(keys, lease), OpenWriteSQL.add(lease, duration.settingMilliseconds),
            OpenWriteSQL.holders(of: keys, except: lease),
        ]
        return try await database.call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.withTransaction(opening, deadline: deadline) { connection, opened in
                    let isOpen = opened[0].affectedRows == keys.count
                    try await connection.query(
                        PostgresStatement(isOpen ? "COMMIT" : "ROLLBACK"),
                        deadline: max(deadline, .now + self.database.configuration.timeout))
                    return isOpen ? nil : try opened[2].openWrites()
                }
            }
        }
    }

    public func note(_ intent: WriteIntent, of lease: WriteLease, for duration: Duration) async throws -> Bool {
        try await send([OpenWriteSQL.note(intent, lease, duration.settingMilliseconds)])[0].affectedRows > 0
    }

    public func extend(_ lease: WriteLease, for duration: Duration) async throws -> Bool {
        try await send([OpenWriteSQL.extend(lease, duration.settingMilliseconds)])[0].affectedRows > 0
    }

    public func end(_ lease: WriteLease, events: [NewEvent]) async throws -> Bool {
        let events = makesEvents ? events : []
        let statements = (events.isEmpty ? [] : [ErasureSQL.hold]) + [OpenWriteSQL.end(lease, events)]
        return try await send(statements).last?.singleRow().int(0) ?? 0 > 0
    }

    public func takeOver(_ lease: WriteLease, for duration: Duration) async throws -> TakenWrite? {
        let found = try await send([OpenWriteSQL.takeOver(lease, duration.settingMilliseconds)])[0]
        guard found.count > 0 else { return nil }
        let row = try found.singleRow()
        return TakenWrite(intent: row.isNull(0) ? nil : try WriteIntent(json: .object(try row.jsonObject(0))))
    }

    public func openWrites(_ selection: OpenWriteSelection) async throws -> [OpenWrite] {
        try await send([OpenWriteSQL.list(selection)], retry: .repeatable)[0].openWrites()
    }

    // MARK: Erasure

    public func eraseEvents(of ids: [String], within scope: ErasureScope) async throws -> Int {
        try await send([OpenWriteSQL.erase(ids, within: scope)])[0].affectedRows
    }

    public func eraseEvents(within scope: ErasureScope, after sequence: Int) async throws -> EventErasure {
        let result = try await send(
            [OpenWriteSQL.erase(within: scope, after: sequence, limit: Self.eventsPerErasure)])[0]
        var (last, removed, ids) = (Int?.none, 0, [String]())
        for row in result.rows {
            if !row.isNull(0) { last = try row.int(0) }
            guard !row.isNull(1) else { continue }
            ids.append(try row.text(1))
            removed += try row.int(2)
        }
        return EventErasure(last: last, removed: removed, ids: ids)
    }

    /// Runs statements in one transaction.
    private func send(
        _ statements: [PostgresStatement], retry: PostgresPool.Retry = .onlyIfNotExecuted
    ) async throws -> [PostgresResult] {
        try await database.call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.pipeline(statements, retry: retry, deadline: deadline)
            }
        }
    }
}

extension PostgresResult {
    /// The rows of ``OpenWriteSQL/list(_:)`` and ``OpenWriteSQL/holders(of:except:)``.
    fileprivate func openWrites() throws -> [OpenWrite] {
        try rows.map { OpenWrite(id: try $0.text(0), isOverdue: try $0.bool(1)) }
    }
}
