public import AgentMemory
import PostgresDriver

/// Documents in a table of PostgreSQL.
public final class PostgresDocumentStore: DocumentStore, RestingStore {
    public let name = "postgres"

    let database: PostgresDatabase

    /// How often an unprepared store is looked after, and expired documents are removed.
    private static let upkeepInterval: Duration = .seconds(5)
    private static let sweepBatch = 1000

    /// A store in a database that others may use too. Nothing is connected yet: that is what
    /// ``prepare()`` does.
    public init(database: PostgresDatabase) {
        self.database = database
        database.join()
    }

    public func prepare() async throws {
        try await database.prepare(evenIfDone: false)
    }

    public func run() async throws {
        try await database.maintain(every: Self.upkeepInterval) {
            try await database.sweep(batch: Self.sweepBatch, DocumentSQL.sweep)
        }
    }

    public func close() async {
        database.leave()
    }

    public var isQuiet: Bool { database.quietTime.isQuiet }

    public func health() async -> [ComponentHealth] {
        [await database.health("documents")]
    }

    public func document(_ key: DocumentKey) async throws -> RevisedDocument? {
        try await send([DocumentSQL.document(key)], retry: .repeatable)[0].documents(key.kind).first
    }

    public func documents(
        _ kind: DocumentKey.Kind, of parent: String, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<RevisedDocument> {
        let results = try await send(
            DocumentSQL.documents(kind, of: parent, within: scope, page: page), retry: .repeatable)
        return Page(
            items: try results[0].documents(kind), total: try results[1].singleRow().int(0), request: page)
    }

    private static let scannedPerPage = 500

    public func scan(
        _ kind: DocumentKey.Kind, from position: String?
    ) async throws -> (documents: [RevisedDocument], next: String?) {
        let found = try await send(
            [DocumentSQL.scan(kind, after: position ?? "", limit: Self.scannedPerPage)], retry: .repeatable
        )[0].documents(kind)
        return (found, found.count == Self.scannedPerPage ? found.last?.document.key.id : nil)
    }

    @discardableResult
    public func write(
        _ document: Document, expecting expectation: DocumentExpectation, keptFor seconds: Int?
    ) async throws -> Int? {
        let result = try await send([DocumentSQL.write(document, expecting: expectation, keptFor: seconds)])[0]
        return try result.rows.map { try $0.int(0) }.first
    }

    @discardableResult
    public func delete(_ key: DocumentKey, revision: Int?) async throws -> Bool {
        try await send([DocumentSQL.delete(key, revision: revision)])[0].affectedRows > 0
    }

    public func deleteAll(_ kind: DocumentKey.Kind, of parent: String) async throws {
        _ = try await send([DocumentSQL.deleteAll(kind, of: parent)], retry: .repeatable)
    }

    /// Runs statements in one transaction, within the scope of the task.
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
