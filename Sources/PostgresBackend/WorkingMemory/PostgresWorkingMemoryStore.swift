public import AgentMemory
public import Logging
import PostgresDriver

/// Sessions in PostgreSQL: one row per session and one row per message, so that a message is added
/// or read at a cost that does not grow with the conversation.
///
/// A writer of a session holds the lock of its row until the end of the transaction; readers do not
/// wait, and see one snapshot. Time is the server's.
public final class PostgresWorkingMemoryStore: WorkingMemoryStore {
    public let name = "postgres"

    let database: PostgresDatabase

    /// How often expired sessions are removed.
    private static let sweepInterval: Duration = .seconds(5)
    /// The number of sessions that one statement removes, with their messages.
    private static let sweepBatch = 20

    /// A store in a database that others may use too. It connects in ``prepare()``, not here.
    public init(database: PostgresDatabase) {
        self.database = database
        database.join()
    }

    /// A store in a database of its own.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` for an unusable URL or schema name.
    public convenience init(configuration: PostgresDatabase.Configuration, logger: Logger) throws {
        self.init(database: try PostgresDatabase(configuration: configuration, logger: logger))
    }

    public func prepare() async throws {
        try await database.prepare(evenIfDone: false)
    }

    public func run() async throws {
        try await database.maintain(every: Self.sweepInterval) { try await sweep() }
    }

    func sweep() async throws {
        try await database.sweep(batch: Self.sweepBatch, SessionSQL.sweep)
    }

    public func close() async {
        database.leave()
    }

    public func health() async -> [ComponentHealth] {
        [await database.health("sessions")]
    }

    public func matching(
        _ reference: SessionReference, within scope: AccessScope, limit: Int
    ) async throws -> [SessionKey] {
        try await database.call { deadline in
            try await self.database.query(
                SessionSQL.matching(reference, within: scope, limit: limit), retry: .repeatable, deadline: deadline
            ).rows.map { row in
                SessionKey(
                    storedSessionID: reference.sessionID, namespace: try row.text(0), userID: try row.text(1))
            }
        }
    }

    public func read(_ key: SessionKey, lastMessages: Int?) async throws -> StoredSession? {
        try await database.call { deadline in
            let results = try await self.database.pipeline(
                SessionSQL.read(key, lastMessages: lastMessages), retry: .repeatable, deadline: deadline)
            guard results[1].count > 0 else { return nil }
            var messages = try SessionRows.messages(results[2]).map(\.row)
            // The last messages come newest first.
            if lastMessages != nil { messages.reverse() }
            return try SessionRows.session(
                results[1].singleRow(), key: key, messages: messages,
                memories: SessionRows.memories(results[3]).map(\.row), revisions: SessionRows.revisions(results[4]))
        }
    }

    public func sessionIDs(
        namespace: String?, userID: String?, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<String> {
        try await database.call { deadline in
            let row = try await self.database.query(
                SessionSQL.sessionIDs(namespace: namespace, userID: userID, within: scope, page: page),
                retry: .repeatable, deadline: deadline
            ).singleRow()
            return Page(items: try row.textArray(1), total: try row.int(0), request: page)
        }
    }
}
