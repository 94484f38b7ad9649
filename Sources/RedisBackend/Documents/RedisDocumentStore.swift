public import AgentMemory
import RedisDriver
import Synchronization

/// Documents in Redis hashes; no module is needed.
public final class RedisDocumentStore: DocumentStore {
    public struct Configuration: Sendable {
        /// string, default: agent_memory:documents; all keys begin with it.
        public var keyPrefix = "agent_memory:documents"
        /// How often ``run()`` looks after the store; default: 1 minute.
        public var upkeepInterval: Duration = .seconds(60)

        public init() {}
    }

    public let name = "redis"

    private let database: RedisDatabase
    private let configuration: Configuration
    private let isPrepared = Atomic(false)
    private let probe: WriteProbe

    private var client: RedisClient { database.calls }

    /// Ids that one command removes or reads.
    private static let slice = 500

    /// A store in a database that others may use too. Nothing is connected yet: that is what
    /// ``prepare()`` does.
    public init(database: RedisDatabase, configuration: Configuration = Configuration()) {
        self.database = database
        self.configuration = configuration
        probe = WriteProbe(key: "\(configuration.keyPrefix):ready", logger: database.logger)
        database.join()
    }

    public func prepare() async throws {
        try await database.mappingPreparation {
            _ = try await client.send(RedisCommand("GET", revisionKey), isRead: true).get()
            try await probe.run(client)
        }
        isPrepared.store(true, ordering: .relaxed)
    }

    public func run() async throws {
        try await database.maintain(
            every: configuration.upkeepInterval, isSettled: { isPrepared.load(ordering: .relaxed) }, prepare)
    }

    public func close() async {
        await database.leave()
    }

    public func health() async -> [ComponentHealth] {
        let health = await database.health("documents") {
            if let refusal = try await probe.refusal(client) { return ComponentHealth("documents", reason: refusal) }
            return ComponentHealth("documents")
        }
        return [health]
    }

    // MARK: Reading

    public func document(_ key: DocumentKey) async throws -> RevisedDocument? {
        try await database.mappingErrors {
            try Self.document(key, try await client.send(read(key), isRead: true))
        }
    }

    public func documents(
        _ kind: DocumentKey.Kind, of parent: String, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<RevisedDocument> {
        try await database.mappingErrors {
            let found = try await all(kind, parent).filter {
                scope.contains(namespace: $0.document.namespace, userID: $0.document.userID)
            }
            return Page(of: found, request: page)
        }
    }

    public func scan(
        _ kind: DocumentKey.Kind, from position: String?
    ) async throws -> (documents: [RevisedDocument], next: String?) {
        let prefix = name(DocumentKey(kind, ""))
        return try await database.mappingErrors {
            let (next, names) = try await client.scan(from: position ?? "0", prefix: prefix)
            let keys = names.map {
                DocumentKey(kind, String(decoding: $0.utf8.dropFirst(prefix.utf8.count), as: UTF8.self))
            }
            let replies = try await client.pipeline(keys.map(read), isRead: true)
            let found = try zip(keys, replies).compactMap { try Self.document($0, $1) }
            return (found, next == "0" ? nil : next)
        }
    }

    private func all(_ kind: DocumentKey.Kind, _ parent: String) async throws -> [RevisedDocument] {
        let ids = try await ids(kind, parent)
        var found: [RevisedDocument] = []
        for start in stride(from: 0, to: ids.count, by: Self.slice) {
            let keys = ids[start..<min(start + Self.slice, ids.count)].map { DocumentKey(kind, $0) }
            let replies = try await client.pipeline(keys.map(read), isRead: true)
            let documents = try zip(keys, replies).map { try Self.document($0, $1) }
            // One may have been removed, or have expired.
            found += documents.compactMap(\.self)
            let missing = zip(keys, documents).filter { $0.1 == nil }.map(\.0)
            if !missing.isEmpty {
                _ = try await client.evaluate(
                    DocumentScripts.unlist, keys: [list(kind, parent)] + missing.map(name)
                ) { $0.append(missing.map(\.id)) }
            }
        }
        return found
    }

    /// By their bytes: members of one score are ordered by them.
    private func ids(_ kind: DocumentKey.Kind, _ parent: String) async throws -> [String] {
        try await client.send(RedisCommand("ZRANGE", list(kind, parent), "0", "-1"), isRead: true)
            .get().array?.compactMap(\.string) ?? []
    }

    private func read(_ key: DocumentKey) -> RedisCommand {
        RedisCommand("HMGET", name(key), "body", "parent", "namespace", "user", "revision")
    }

    private static func document(_ key: DocumentKey, _ reply: RedisValue) throws -> RevisedDocument? {
        guard let fields = try reply.get().array, fields.count == 5 else { throw unknownAnswer }
        guard let body = fields[0].string else { return nil }
        guard let object = (try? JSONValue(parsing: body))?.objectValue,
            let revision = fields[4].string.flatMap({ Int($0) })
        else { throw unknownAnswer }
        func owner(_ field: RedisValue) -> String? { field.string.flatMap { $0.isEmpty ? nil : $0 } }
        return RevisedDocument(
            Document(
                key, parent: fields[1].string ?? "", namespace: owner(fields[2]), userID: owner(fields[3]),
                body: object), revision: revision)
    }

    // MARK: Writing

    @discardableResult
    public func write(
        _ document: Document, expecting expectation: DocumentExpectation, keptFor seconds: Int?
    ) async throws -> Int? {
        let (key, parent) = (document.key, document.parent)
        return try await database.mappingErrors {
            try await client.evaluate(
                DocumentScripts.write, keys: [name(key), list(key.kind, parent), revisionKey]
            ) { command in
                switch expectation {
                case .anything: command.append("any")
                case .absent: command.append("absent")
                case .revision(let number): command.append(number)
                }
                command.append(seconds.map { String(max(1, $0)) } ?? "")
                command.append(key.id)
                command.append(JSONValue.object(document.body).jsonText)
                command.append(parent)
                command.append(document.namespace ?? "")
                command.append(document.userID ?? "")
                command.append([.summaryView, .task].contains(key.kind) ? "1" : "0")
            }.integer
        }
    }

    @discardableResult
    public func delete(_ key: DocumentKey, revision: Int?) async throws -> Bool {
        guard let stored = try await document(key) else { return false }
        return try await database.mappingErrors {
            try await client.evaluate(
                DocumentScripts.delete, keys: [name(key), list(key.kind, stored.document.parent)]
            ) { command in
                command.append(revision.map { String($0) } ?? "")
                command.append(key.id)
            }.integer == 1
        }
    }

    public func deleteAll(_ kind: DocumentKey.Kind, of parent: String) async throws {
        let ids = try await database.mappingErrors { try await self.ids(kind, parent) }
        for start in stride(from: 0, to: ids.count, by: Self.slice) {
            let slice = Array(ids[start..<min(start + Self.slice, ids.count)])
            try await database.mappingErrors {
                var remove = RedisCommand("DEL")
                for id in slice { remove.append(name(DocumentKey(kind, id))) }
                var unlist = RedisCommand("ZREM", list(kind, parent))
                for id in slice { unlist.append(id) }
                for reply in try await client.pipeline([remove, unlist], isRead: false) { _ = try reply.get() }
            }
        }
    }

    private var revisionKey: String { "\(configuration.keyPrefix):revision" }

    private func name(_ key: DocumentKey) -> String {
        "\(configuration.keyPrefix):\(key.kind.rawValue):\(key.id)"
    }

    private func list(_ kind: DocumentKey.Kind, _ parent: String) -> String {
        "\(configuration.keyPrefix):\(kind.rawValue)-of:\(parent)"
    }

    private static var unknownAnswer: MemoryError {
        MemoryError(.internalError, "the Redis server answered for a document with something unknown")
    }
}
