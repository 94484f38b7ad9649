public import AgentMemory
import RedisDriver
import Synchronization

/// The history of a backend that makes none itself, in a Redis stream; no module is needed.
public final class RedisEventStore: EventStore {
    public struct Configuration: Sendable {
        /// string, default: agent_memory:documents:events; all keys begin with it.
        public var key = "agent_memory:documents:events"
        /// How long events are kept; default: 30 days.
        public var history = HistoryRetention.standard
        /// How often ``run()`` looks after the store; default: 1 minute.
        public var upkeepInterval: Duration = .seconds(60)

        public init() {}
    }

    public let name = "redis"
    public var makesEvents: Bool { configuration.history != .off }

    private let database: RedisDatabase
    private let configuration: Configuration
    private let isPrepared = Atomic(false)
    private let probe: WriteProbe

    private var client: RedisClient { database.calls }
    private var stream: EventStream { EventStream(client: client, key: configuration.key) }
    /// Where no key is: of records and claims, which this server does not have.
    private var nowhere: String { "\(configuration.key)_none:" }

    private static let eventsPerErasure = 500

    /// A store in a database that others may use too. Nothing is connected yet: that is what
    /// ``prepare()`` does.
    public init(database: RedisDatabase, configuration: Configuration = Configuration()) {
        self.database = database
        self.configuration = configuration
        probe = WriteProbe(key: "\(configuration.key)_ready", logger: database.logger)
        database.join()
    }

    public func prepare() async throws {
        try await database.mappingPreparation {
            _ = try await client.send(RedisCommand("XRANGE", configuration.key, "-", "+", "COUNT", "1"), isRead: true)
            try await probe.run(client)
        }
        isPrepared.store(true, ordering: .relaxed)
    }

    public func run() async throws {
        try await database.maintain(
            every: configuration.upkeepInterval, isSettled: { isPrepared.load(ordering: .relaxed) }
        ) {
            try await prepare()
            guard case .days(let days) = configuration.history else { return }
            while try await database.mappingErrors({ try await stream.sweep(keptSeconds: days * 86_400) }) {}
        }
    }

    public func close() async {
        await database.leave()
    }

    public func health() async -> [ComponentHealth] {
        let health = await database.health("history") {
            if let refusal = try await probe.refusal(client) { return ComponentHealth("history", reason: refusal) }
            return ComponentHealth("history")
        }
        return [health]
    }

    // MARK: Events

    public func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        try await database.mappingErrors { try await stream.events(of: id, within: scope, page: page) }
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        try await database.mappingErrors {
            try await stream.events(after: sequence, limit: limit, within: scope)
        }
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        try await database.mappingErrors {
            try await stream.events(ofOperation: operation, after: sequence, limit: limit, within: scope)
        }
    }

    public func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        try await database.mappingErrors { try await stream.latestEvents(of: ids) }
    }

    public func append(_ events: [NewEvent]) async throws {
        _ = try await end("", "", events)
    }

    // MARK: Writes

    public func open(_ lease: WriteLease, keys: [String], for duration: Duration) async throws -> [OpenWrite]? {
        let others = try await evaluate(OpenWriteScripts.open) { command in
            command.append([lease.id, lease.holder, String(duration.milliseconds)])
            command.append(keys)
        }
        let found = try Self.openWrites(others)
        return found.isEmpty ? nil : found
    }

    public func note(_ intent: WriteIntent, of lease: WriteLease, for duration: Duration) async throws -> Bool {
        try await evaluate(OpenWriteScripts.extend) { command in
            command.append([lease.id, lease.holder, String(duration.milliseconds)])
            command.append([JSONValue.object(intent.json).jsonText, intent.operation])
        }.integer == 1
    }

    public func extend(_ lease: WriteLease, for duration: Duration) async throws -> Bool {
        try await evaluate(OpenWriteScripts.extend) { command in
            command.append([lease.id, lease.holder, String(duration.milliseconds)])
        }.integer == 1
    }

    public func end(_ lease: WriteLease, events: [NewEvent]) async throws -> Bool {
        try await end(lease.id, lease.holder, events)
    }

    private func end(_ id: String, _ holder: String, _ events: [NewEvent]) async throws -> Bool {
        try await evaluate(OpenWriteScripts.end) { command in
            command.append([id, holder])
            for event in makesEvents ? events : [] {
                let values = EventEntry.values(of: event)
                command.append([event.id, event.operation, String(values.count * 2)])
                for (name, value) in values { command.append([name, value]) }
            }
        }.integer == 1
    }

    public func takeOver(_ lease: WriteLease, for duration: Duration) async throws -> TakenWrite? {
        let noted = try await evaluate(OpenWriteScripts.takeOver) { command in
            command.append([lease.id, lease.holder, String(duration.milliseconds)])
        }
        guard let text = noted.string else { return nil }
        return TakenWrite(intent: text.isEmpty ? nil : try WriteIntent(json: try JSONValue(parsing: text)))
    }

    public func openWrites(_ selection: OpenWriteSelection) async throws -> [OpenWrite] {
        try Self.openWrites(
            try await evaluate(OpenWriteScripts.list, isRead: true) { command in
                switch selection {
                case .noted: command.append("noted")
                case .overdue: command.append("overdue")
                case .operation(let operation): command.append(["operation", operation])
                case .keys(let keys): command.append(["keys"] + keys)
                }
            })
    }

    private static func openWrites(_ reply: RedisValue) throws -> [OpenWrite] {
        guard let parts = reply.array, parts.count.isMultiple(of: 2) else { throw RecordScripts.unknownAnswer }
        return try stride(from: 0, to: parts.count, by: 2).map { position in
            guard let id = parts[position].string else { throw RecordScripts.unknownAnswer }
            return OpenWrite(id: id, isOverdue: parts[position + 1].integer == 1)
        }
    }

    private func evaluate(
        _ script: RedisScript, isRead: Bool = false, _ arguments: (inout RedisCommand) -> Void
    ) async throws -> RedisValue {
        try await database.mappingErrors {
            try await client.evaluate(script, keys: [configuration.key], isRead: isRead, arguments: arguments)
        }
    }

    // MARK: Erasure

    public func eraseEvents(of ids: [String], within scope: ErasureScope) async throws -> Int {
        try await erase(ErasureScripts.eventsOfRecords, scope) { $0.append(ids) }.integer ?? 0
    }

    public func eraseEvents(within scope: ErasureScope, after sequence: Int) async throws -> EventErasure {
        let answer =
            try await erase(ErasureScripts.events, scope) { command in
                command.append(sequence)
                command.append(Self.eventsPerErasure)
            }.array ?? []
        guard answer.count == 3, let removed = answer[1].integer, let ids = answer[2].array else {
            throw RecordScripts.unknownAnswer
        }
        if answer[0].string == nil { try await stream.rewrite(in: database) }
        return EventErasure(last: answer[0].integer, removed: removed, ids: ids.compactMap(\.string))
    }

    private func erase(
        _ script: RedisScript, _ scope: ErasureScope, _ arguments: (inout RedisCommand) -> Void
    ) async throws -> RedisValue {
        try await database.mappingErrors {
            try await client.evaluate(script, keys: [configuration.key, nowhere]) { command in
                command.append([scope.userID ?? "", scope.namespace ?? "", scope.sessionID ?? "", nowhere, nowhere])
                arguments(&command)
            }
        }
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
