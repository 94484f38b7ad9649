import AgentMemory
import Synchronization

/// The calls of one check, in order, for its evidence.
final class CallLog: Sendable {
    private let lines = Mutex<[String]>([])

    var calls: [String] { lines.withLock(\.self) }

    func add(_ line: String) {
        lines.withLock { $0.append(line.count > 300 ? line.prefix(300) + "…" : line) }
    }
}

/// Passes every call on to the database under test and logs it.
struct LoggingDatabase: MemoryVectorDatabase {
    private let database: any MemoryVectorDatabase
    private let log: CallLog

    init(_ database: any MemoryVectorDatabase, log: CallLog) {
        self.database = database
        self.log = log
    }

    var name: String { database.name }
    var capabilities: BackendCapabilities { database.capabilities }
    func prepare() async throws { try await database.prepare() }
    func run() async throws { try await database.run() }
    func close() async { await database.close() }
    func health() async -> [ComponentHealth] { await database.health() }

    func add(_ records: [MemoryRecord]) async throws -> [String] {
        try await logged("add(\(records.map(\.id)))") { try await database.add(records) }
    }

    func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        let call =
            "search(\(query.text.debugDescription), \(query.ranking), filter: \(describe(query.filter)), \(query.page))"
        return try await logged(
            call, { "\($0.items.map { ($0.record.id, $0.distance, $0.score ?? -1) }) of \($0.total)" }
        ) {
            try await database.search(query)
        }
    }

    func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await logged(
            "list(filter: \(describe(query.filter)), \(query.page))", { "\($0.items.map(\.id)) of \($0.total)" }
        ) {
            try await database.list(query)
        }
    }

    func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        try await logged(
            "neighbors(of: \(records.map(\.id)), reach: \(reach))",
            { "\($0.map { ($0.before.map(\.id), $0.after.map(\.id)) })" }
        ) {
            try await database.neighbors(of: records, reach: reach)
        }
    }

    func count(_ filter: MemoryFilter) async throws -> Int {
        try await logged("count(\(describe(filter)))") { try await database.count(filter) }
    }

    func delete(_ ids: [String]) async throws -> Int {
        try await logged("delete(\(ids))") { try await database.delete(ids) }
    }

    func update(_ updates: [RecordUpdate]) async throws -> Int {
        try await logged("update(\(updates.map(\.id)))") { try await database.update(updates) }
    }

    private func describe(_ filter: MemoryFilter) -> String {
        let tags = filter.orderedTags.map { field, condition in
            "\(field.rawValue): all \(condition.all) any \(condition.any) none \(condition.none) startswith \(condition.startsWith ?? "-")"
        }
        let dates = filter.orderedDates.map { field, condition in
            "\(field.rawValue): \(condition.bounds.map { "\($0.comparison.rawValue) \($0.value)" })"
        }
        let metadata = filter.metadata.map {
            "metadata \($0.key.debugDescription): \(JSONValue.object($0.json).jsonText)"
        }
        return "{\((tags + dates + metadata).joined(separator: "; "))}"
    }

    private func logged<Answer>(
        _ call: String, _ describe: (Answer) -> String = { "\($0)" }, _ body: () async throws -> Answer
    ) async throws -> Answer {
        do {
            let answer = try await body()
            log.add("\(call) -> \(describe(answer))")
            return answer
        } catch {
            log.add("\(call) threw \(error)")
            throw error
        }
    }
}
