public import AgentMemory
import Foundation
import GRDB
public import MemoryBackendSDK

/// Memories in a file, searched by looking at every row.
///
/// It has semantic search with filters and distance thresholds, keeps opaque bytes, and says that
/// it has nothing else.
/// A database for one machine and some thousands of memories; several servers on the machine may
/// share the file.
public final class SQLiteMemoryDatabase: ScopedMemoryDatabase, OpaqueBytesDatabase {
    public let name = "sqlite"
    public let capabilities = BackendCapabilities(
        keywordSearch: false, hybridSearch: false, serverSideRecency: false, distanceThreshold: true,
        opaqueBytes: true, textScorers: [])

    public var embedder: any Embedder { context.embedder }
    private let context: BackendContext
    private let file: DatabaseFile

    /// Reads the setting `SQLITE_BACKEND_PATH`: the file, by default `agent-memory.sqlite` in the
    /// working folder.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the setting is there and empty.
    public init(_ context: BackendContext) throws {
        let path = ProcessInfo.processInfo.environment["SQLITE_BACKEND_PATH"] ?? "agent-memory.sqlite"
        guard !path.isEmpty else {
            throw MemoryError(.misconfigured, "SQLITE_BACKEND_PATH is empty: it names the file of the memories")
        }
        self.context = context
        file = DatabaseFile(
            path: path, scope: context.scope, timeout: context.timeout,
            vectors: VectorSpace(model: context.embedder.model, dimensions: context.embedder.dimensions))
    }

    // MARK: Life

    public func prepare() async throws {
        try await file.open()
    }

    public func close() async {
        do {
            try await file.close()
        } catch {
            // Nothing is lost: the next one to open the file tidies up.
            context.log(.warning, "the SQLite file was not closed in order: \(error)")
        }
    }

    public func drop() async throws {
        try await file.drop()
    }

    public func health() async -> [ComponentHealth] {
        do {
            let version = try await file.read { try String.fetchOne($0, sql: "SELECT sqlite_version()") }
            return [ComponentHealth("store", version: version.map { "SQLite \($0)" })]
        } catch {
            let reason = (error as? MemoryError)?.message ?? "the health check was cancelled"
            return [ComponentHealth("store", reason: reason)]
        }
    }

    // MARK: Writing

    public func add(_ records: [MemoryRecord], bytes: [[UInt8]?]) async throws -> [String] {
        guard !records.isEmpty else { return [] }
        // All texts first: if embedding fails, nothing was written (rule R7).
        let vectors = try await context.embedder.checkedEmbeddings(of: records.map(\.text))
        try await file.write { db in
            for (position, record) in records.enumerated() {
                try db.store(record, vectors[position], bytes[position])
            }
        }
        return records.map(\.id)
    }

    public func update(_ updates: [RecordUpdate], bytes: [[UInt8]?]) async throws -> Int {
        // The bytes come with a text; where an update names none, the stored ones stay.
        var bytesOfTexts: [ExactString: [UInt8]] = [:]
        for (update, bytes) in zip(updates, bytes) {
            if let text = update.changes.text { bytesOfTexts[ExactString(text)] = bytes }
        }
        var vectors = TextVectors()
        while true {
            // While texts are embedded other calls change what is stored. So the transaction that
            // would write looks first, and gives back the texts that it has no vectors for instead
            // of writing.
            switch try await file.write({ [vectors, bytesOfTexts] in
                try Self.apply(updates, vectors, bytesOfTexts, in: $0)
            }) {
            case .changed(let count): return count
            case .needs(let texts): try await vectors.embed(texts, by: context.embedder)
            }
        }
    }

    private enum Outcome: Sendable {
        case changed(Int)
        case needs([String])
    }

    private static func apply(
        _ updates: [RecordUpdate], _ vectors: TextVectors, _ bytes: [ExactString: [UInt8]], in db: Database
    ) throws -> Outcome {
        let fold = try UpdateFold(updates) { try db.record($0) }
        let missing = fold.textsToEmbed(besides: vectors)
        guard missing.isEmpty else { return .needs(missing) }
        for change in fold.changes {
            try db.change(change.after, change.newText.flatMap { vectors[$0] })
            guard let text = change.applied.last(where: { $0.text != nil })?.text else { continue }
            try db.keep(bytes[ExactString(text)], of: change.id)
        }
        return .changed(fold.changes.count)
    }

    public func delete(_ ids: [String]) async throws -> Int {
        guard !ids.isEmpty else { return 0 }
        return try await file.write { db in
            try ids.reduce(0) { $0 + (try db.remove($1)) }
        }
    }

    // MARK: Reading

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await file.read { db in
            var shown: [MemoryRecord] = []
            var total = 0
            // Newest first, then by id; SQLite compares texts byte by byte (rule P1).
            try db.forEachRow(matching: query.filter, "ORDER BY created_at DESC, id") { row in
                if (query.page.offset..<query.page.end).contains(total) { shown.append(try row.record) }
                total += 1
            }
            return Page(items: shown, total: total, request: query.page)
        }
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        try await file.read { db in
            var total = 0
            try db.forEachRow(matching: filter) { _ in total += 1 }
            return total
        }
    }

    public func searchWithBytes(_ query: SearchQuery) async throws -> (page: Page<SearchHit>, bytes: [[UInt8]?]) {
        try await found(query) { try $0.bytes($1) }
    }

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        try await found(query) { _, _ in nil }.page
    }

    private func found(
        _ query: SearchQuery, bytes: @escaping @Sendable (Database, String) throws -> [UInt8]?
    ) async throws -> (page: Page<SearchHit>, bytes: [[UInt8]?]) {
        // What was not declared is refused, never ignored.
        try capabilities.check(query.ranking, backend: name)
        guard case .semantic(let threshold) = query.ranking else {
            return (Page(items: [], total: 0, request: query.page), [])
        }
        let vector = try await context.embedder.checkedEmbeddings(of: [query.text])[0]
        return try await file.read { db in
            var nearest: [(id: String, distance: Double)] = []
            // The filter comes first, then the nearest of what is left (rule S4).
            try db.forEachRow(matching: query.filter) { row in
                let distance = context.metric.distance(try row.vector(dimensions: vector.count), vector)
                if distance <= threshold ?? .infinity { nearest.append((row.id, distance)) }
            }
            // Equal distances are ordered by id (rule S2).
            nearest.sort { a, b in
                a.distance != b.distance ? a.distance < b.distance : ExactString(a.id) < ExactString(b.id)
            }
            let page = nearest[min(query.page.offset, nearest.count)..<min(query.page.end, nearest.count)]
            let shown = try page.compactMap { hit in
                try db.record(hit.id).map { SearchHit($0, distance: hit.distance) }
            }
            return (
                Page(items: shown, total: nearest.count, request: query.page),
                try shown.map { try bytes(db, $0.record.id) }
            )
        }
    }
}
