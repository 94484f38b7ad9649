public import AgentMemory
import Logging
public import MemoryConformance
public import RedisBackend
import RedisDriver

/// The Redis backend with an index and a key prefix of its own for each check.
public struct RedisHarness: ConformanceHarness {
    public let backend = "redis"
    private let server: RedisDatabase.Configuration
    private let configuration: RedisMemoryDatabase.Configuration
    private let faults: StoreFaults?
    private let logger = Logger(label: "conformance.redis") { _ in SwiftLogNoOpLogHandler() }

    /// How long a new index may take to scan the keys of the server; it scans all of them, whatever
    /// its prefix is.
    private static let preparationLimit: Duration = .seconds(120)

    /// - Parameters:
    ///   - server: the server for the databases.
    ///   - configuration: its index name and key prefix are replaced by the scope's.
    ///   - faults: for a server that may be killed.
    public init(
        _ server: RedisDatabase.Configuration, _ configuration: RedisMemoryDatabase.Configuration = .init(),
        faults: StoreFaults? = nil
    ) {
        self.server = server
        self.configuration = configuration
        self.faults = faults
    }

    public func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
        var configuration = configuration
        let scope = HarnessScope()
        configuration.indexName = "\(scope.name)_index"
        configuration.keyPrefix = scope.name
        let settled = configuration
        let database = try await open(settled, embedder)
        let shared = try (
            RedisDatabase(configuration: server, logger: logger), RedisDatabase(configuration: server, logger: logger)
        )
        let sessions = (sessions(settled, in: shared.0), sessions(settled, in: shared.1))
        let jobs = (queue(settled, in: shared.0), queue(settled, in: shared.1))
        let tokens = (tokens(settled, in: shared.0), tokens(settled, in: shared.1))
        let documents = (documents(settled, in: shared.0), documents(settled, in: shared.1))
        return ScopedDatabase(
            database: CheckedDatabase(database), reopen: { CheckedDatabase(try await open(settled, $0)) },
            faults: faults,
            sessions: .init(sessions.0, sessions.1), jobs: .init(jobs.0, jobs.1),
            tokens: .init(tokens.0, tokens.1), documents: .init(documents.0, documents.1),
            remove: {
                await database.close()
                for store in [sessions.0, sessions.1] { await store.close() }
                for queue in [jobs.0, jobs.1] { await queue.close() }
                for store in [tokens.0, tokens.1] { await store.close() }
                for store in [documents.0, documents.1] { await store.close() }
                try await remove(settled)
            })
    }

    /// Connects on first use, and creates its index then.
    private func sessions(
        _ scope: RedisMemoryDatabase.Configuration, in database: RedisDatabase
    ) -> RedisWorkingMemoryStore {
        var configuration = RedisWorkingMemoryStore.Configuration()
        configuration.indexName = "\(scope.indexName)_sessions"
        configuration.keyPrefix = "\(scope.keyPrefix)_sessions"
        configuration.jobsKeyPrefix = "\(scope.keyPrefix)_jobs"
        return RedisWorkingMemoryStore(database: database, configuration: configuration)
    }

    private func tokens(_ scope: RedisMemoryDatabase.Configuration, in database: RedisDatabase) -> RedisTokenStore {
        var configuration = RedisTokenStore.Configuration()
        configuration.keyPrefix = "\(scope.keyPrefix)_tokens"
        return RedisTokenStore(database: database, configuration: configuration)
    }

    private func documents(
        _ scope: RedisMemoryDatabase.Configuration, in database: RedisDatabase
    ) -> RedisDocumentStore {
        var configuration = RedisDocumentStore.Configuration()
        configuration.keyPrefix = "\(scope.keyPrefix)_documents"
        return RedisDocumentStore(database: database, configuration: configuration)
    }

    private func queue(_ scope: RedisMemoryDatabase.Configuration, in database: RedisDatabase) -> RedisJobQueue {
        var configuration = RedisJobQueue.Configuration()
        configuration.keyPrefix = "\(scope.keyPrefix)_jobs"
        return RedisJobQueue(database: database, configuration: configuration)
    }

    private func open(
        _ configuration: RedisMemoryDatabase.Configuration, _ embedder: any Embedder
    ) async throws -> any MemoryVectorDatabase {
        let database = try RedisMemoryDatabase(
            database: server, configuration: configuration, embedder: embedder, logger: logger)
        let deadline = ContinuousClock.now + Self.preparationLimit
        do {
            while true {
                do {
                    try await database.prepare()
                    return database
                } catch let error as MemoryError where error.code == .storeUnavailable && ContinuousClock.now < deadline
                {
                    // The index is being built, unless the store itself does not respond.
                    guard await database.health().allSatisfy({ $0.component != "store" || $0.isOK }) else {
                        throw error
                    }
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        } catch {
            await database.close()
            throw error
        }
    }

    /// Drops every index whose name has the scope's prefix, and every key with that prefix.
    private func remove(_ configuration: RedisMemoryDatabase.Configuration) async throws {
        let client = try RedisClient(configuration: .init(endpoint: server.endpoint), logger: logger)
        do {
            if case .array(let names) = try await client.send(RedisCommand("FT._LIST")) {
                for name in names.compactMap(\.string) where name.hasPrefix(configuration.indexName) {
                    _ = try await client.send(RedisCommand("FT.DROPINDEX", name, "DD"))
                }
            }
            // A lost or unfinished index leaves its records behind.
            var cursor = "0"
            repeat {
                guard
                    case .array(let answer) = try await client.send(
                        RedisCommand("SCAN", cursor, "MATCH", "\(configuration.keyPrefix)*", "COUNT", "1000")),
                    answer.count == 2, let next = answer[0].string, case .array(let keys) = answer[1]
                else { break }
                for key in keys.compactMap(\.string) { _ = try await client.send(RedisCommand("UNLINK", key)) }
                cursor = next
            } while cursor != "0"
        } catch {
            await client.close()
            throw error
        }
        await client.close()
    }
}
