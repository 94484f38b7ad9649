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
    /// Ids are compared by their bytes, which `String` does not do: "é" in one code point is not
    /// "é" in two (rule F1).
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
        var vectors = TextVectors()
        while true {
            // What the updates make of the stored records. While their new texts are embedded,
            // other calls run and may change what is stored: so look again until every text that
            // changes has its vector.
            let fold = UpdateFold(updates) { entries[ExactString($0)]?.record }
            let missing = fold.textsToEmbed(besides: vectors)
            guard missing.isEmpty else {
                try await vectors.embed(missing, by: embedder)
                continue
            }
            for change in fold.changes {
                let id = ExactString(change.id)
                entries[id]?.record = change.after
                if let vector = change.newText.flatMap({ vectors[$0] }) { entries[id]?.vector = vector }
            }
            listOrder = nil
            return fold.changes.count
        }
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
        // The filter comes first, then the nearest of what is left (rule S4); equal distances are
        // ordered by id (rule S2).
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
    /// The part of a result of `count` that this page shows; an offset past the end shows nothing
    /// (rule P4).
    fileprivate func range(of count: Int) -> Range<Int> { min(offset, count)..<min(end, count) }
}
