public import AgentMemory

/// Memories in a dictionary, searched by looking at every vector.
///
/// It has semantic search with filters and distance thresholds, and says that it has nothing else.
public actor TutorialMemoryDatabase: MemoryVectorDatabase {
    public nonisolated let name = "tutorial"
    public nonisolated let capabilities = BackendCapabilities(
        keywordSearch: false, hybridSearch: false, serverSideRecency: false, distanceThreshold: true, textScorers: [])

    private struct Entry {
        var record: MemoryRecord
        var vector: [Float]
    }

    private let embedder: any Embedder
    /// Ids are compared by their bytes, which `String` does not do: "é" in one code point is not "é" in two (rule F1).
    private var entries: [ExactString: Entry] = [:]
    /// The entries in the order of a list; made when a list is asked for, gone with the next write.
    private var listOrder: [MemoryRecord]?

    public init(embedder: any Embedder) {
        self.embedder = embedder
    }

    // MARK: Life

    public func prepare() async throws {}

    public func close() async {}

    public func health() async -> [ComponentHealth] {
        [ComponentHealth("store", version: "in memory")]
    }

    // MARK: Writing

    public func add(_ records: [MemoryRecord]) async throws -> [String] {
        // All texts first, in one call: if embedding fails, nothing was written (rule R7).
        let vectors = try await embedder.checkedEmbeddings(of: records.map(\.text))
        for (record, vector) in zip(records, vectors) {
            entries[ExactString(record.id)] = Entry(record: record, vector: vector)
        }
        listOrder = nil
        return records.map(\.id)
    }

    public func update(_ updates: [RecordUpdate]) async throws -> Int {
        var vectors: [ExactString: [Float]] = [:]
        // While the texts are embedded, other calls run and may change what is stored: so look again until every text that changes
        // has its vector. The changes themselves are made without waiting for anything.
        while case let missing = newTexts(updates).filter({ vectors[ExactString($0)] == nil }), !missing.isEmpty {
            for (text, vector) in zip(missing, try await embedder.checkedEmbeddings(of: missing)) {
                vectors[ExactString(text)] = vector
            }
        }
        var changed: Set<ExactString> = []
        for update in updates {
            let id = ExactString(update.id)
            guard var entry = entries[id] else { continue }
            if let access = update.changes.access, !access.isDue(lastAccessed: entry.record.lastAccessed) { continue }
            if let text = update.changes.text, let vector = vectors[ExactString(text)] { entry.vector = vector }
            entry.record.apply(update.changes)
            entries[id] = entry
            changed.insert(id)
        }
        listOrder = nil
        return changed.count
    }

    /// The texts that differ from what is stored, of the updates that are due; the others need no new vector (rule U2).
    private func newTexts(_ updates: [RecordUpdate]) -> [String] {
        var records: [ExactString: MemoryRecord] = [:]
        // In their order: an update may no longer be due after another of the same record.
        for update in updates {
            let id = ExactString(update.id)
            guard var record = records[id] ?? entries[id]?.record else { continue }
            if let access = update.changes.access, !access.isDue(lastAccessed: record.lastAccessed) { continue }
            record.apply(update.changes)
            records[id] = record
        }
        return records.compactMap { id, record in
            ExactString(record.text) == entries[id].map { ExactString($0.record.text) } ? nil : record.text
        }.exactlyDistinct()
    }

    public func delete(_ ids: [String]) async throws -> Int {
        listOrder = nil
        return ids.count { entries.removeValue(forKey: ExactString($0)) != nil }
    }

    // MARK: Reading

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        let order = listOrder ?? inListOrder()
        listOrder = order
        let matching = order.filter { query.filter.matches($0) }
        return Page(
            items: Array(matching[query.page.range(of: matching.count)]), total: matching.count, request: query.page)
    }

    /// Newest first, then by id, byte by byte (rule P1).
    private func inListOrder() -> [MemoryRecord] {
        entries.values.map(\.record).sorted { a, b in
            a.createdAt != b.createdAt ? a.createdAt > b.createdAt : ExactString(a.id) < ExactString(b.id)
        }
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        entries.values.count { filter.matches($0.record) }
    }

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        // What was not declared is refused, never ignored.
        try capabilities.check(query.ranking, backend: name)
        guard case .semantic(let threshold) = query.ranking else {
            return Page(items: [], total: 0, request: query.page)
        }
        let vector = try await embedder.checkedEmbeddings(of: [query.text])[0]
        // The filter comes first, then the nearest of what is left (rule S4); equal distances are ordered by id (rule S2).
        let nearest = entries.values.filter { query.filter.matches($0.record) }
            .map { (record: $0.record, distance: DistanceMetric.cosine.distance($0.vector, vector)) }
            .filter { $0.distance <= threshold ?? .infinity }
            .sorted { a, b in
                a.distance != b.distance ? a.distance < b.distance : ExactString(a.record.id) < ExactString(b.record.id)
            }
        let shown = nearest[query.page.range(of: nearest.count)].map { SearchHit($0.record, distance: $0.distance) }
        return Page(items: shown, total: nearest.count, request: query.page)
    }
}

extension PageRequest {
    /// The part of a result of `count` that this page shows; an offset past the end shows nothing (rule P4).
    fileprivate func range(of count: Int) -> Range<Int> { min(offset, count)..<min(end, count) }
}
