public import AgentMemory

/// The contract in memory: every operation written as directly as the rules state it, by full
/// scans.
public actor ReferenceMemoryDatabase: AtomicMemoryDatabase, CandidateDatabase, RecordHistory, ExpiringDatabase,
    ErasableDatabase, SnapshotDatabase
{
    public nonisolated let name = "reference"
    public nonisolated let capabilities = BackendCapabilities(
        metadataFilters: true, expiry: true, blendedSearch: true, textScorers: TextScorer.offered)

    struct Entry {
        var record: MemoryRecord
        var encoding: TextEncoding
        var vector: [Float] { encoding.vector }
        /// The analyser's words of the text, in order.
        var words: [String]
    }

    public nonisolated let embedder: any Embedder
    public nonisolated let metric: DistanceMetric
    public nonisolated let analyzer = TextAnalyzer()
    private let now: @Sendable () -> Timestamp
    private var entries: [ExactString: Entry] = [:]
    private var deletions: [ExactString: Timestamp] = [:]
    private var events: EventLog
    public nonisolated let makesEvents: Bool

    /// - Parameters:
    ///   - keepsHistory: whether writes make events. They are kept until the end.
    ///   - now: the clock for recency, deletions and events: the one that the jobs use.
    public init(
        embedder: any Embedder, metric: DistanceMetric = .cosine, keepsHistory: Bool = true,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.embedder = embedder
        self.metric = metric
        self.now = now
        makesEvents = keepsHistory
        events = EventLog(isKept: keepsHistory)
    }

    public func prepare() {}

    public func close() {}

    public func add(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        // Of an id given twice the last record counts, with one event.
        let given = RecordBatch(records)
        let embedded = try await embedded(given.records)
        try check(given.records, within: scope)
        for entry in embedded { store(entry) }
        return given.givenIDs
    }

    /// Refuses to replace what is outside of the scope.
    private func check(_ records: [MemoryRecord], within scope: AccessScope) throws {
        for record in records {
            guard entries[ExactString(record.id)].map({ scope.contains($0.record) }) ?? true else {
                throw AccessScope.conflict
            }
        }
    }

    public func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        let given = RecordBatch(records)
        let embedded = try await embedded(given.records)
        // No other call can interleave from here on.
        try check(given.records, within: scope)
        let kept = given.withoutDuplicates(
            storedIDs: Set(entries.keys),
            holders: entries.values.map { (id: $0.record.id, memoryHash: $0.record.memoryHash) })
        let ids = Set(kept.map { ExactString($0.id) })
        for entry in embedded where ids.contains(ExactString(entry.record.id)) { store(entry) }
        return kept.map(\.id)
    }

    public func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome] {
        var known: [ExactString: Entry] = [:]
        while true {
            // While texts are embedded, another call may store a conflicting record.
            let outcomes = records.map { outcome(of: $0, handedInAt) }
            let wanted = zip(records, outcomes).filter { $0.1 == .stored }.map(\.0)
            let missing = wanted.filter { known[ExactString($0.id)] == nil }
            guard missing.isEmpty else {
                for entry in try await embedded(missing) { known[ExactString(entry.record.id)] = entry }
                continue
            }
            for record in wanted { known[ExactString(record.id)].map(store) }
            return outcomes
        }
    }

    private func outcome(of record: MemoryRecord, _ handedInAt: Timestamp) -> PromotionOutcome {
        let id = ExactString(record.id)
        if let stored = entries[id]?.record { return stored.sharesOwner(with: record) ? .present : .taken }
        if let deletion = deletions[id], deletion >= handedInAt { return .deleted }
        return .stored
    }

    private func embedded(_ records: [MemoryRecord]) async throws -> [Entry] {
        let encodings = try await embedder.checkedEncodings(of: records.map(\.text))
        return zip(records, encodings).map { record, encoding in
            Entry(record: record, encoding: encoding, words: analyzer.words(in: record.text))
        }
    }

    private func store(_ entry: Entry) {
        let replaced = entries.updateValue(entry, forKey: ExactString(entry.record.id))
        events.note(entry.record.id, from: replaced?.record, to: entry.record, at: now())
    }

    // MARK: History

    public func events(of id: String, within scope: AccessScope, page: PageRequest) -> Page<MemoryEvent> {
        events.page(of: id, within: scope, page)
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) -> [MemoryEvent] {
        events.events(after: sequence, limit: limit, within: scope)
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) -> [MemoryEvent] {
        events.events(ofOperation: operation, after: sequence, limit: limit, within: scope)
    }

    public func latestEvents(of ids: [String]) -> [ExactString: Int] {
        events.latest(of: ids)
    }

    public func rewrite(_ rewrites: [RecordRewrite], within scope: AccessScope) async throws -> [String] {
        let embedded = try await embedded(rewrites.compactMap(\.record))
        let latest = latestEvents(of: rewrites.map(\.id))
        let refused = rewrites.filter { rewrite in
            let id = ExactString(rewrite.id)
            return (latest[id] ?? 0) != rewrite.latestEvent
                || entries[id].map { !scope.contains($0.record) } ?? false
        }
        guard refused.isEmpty else { return refused.map(\.id) }
        for entry in embedded { store(entry) }
        _ = delete(rewrites.filter { $0.record == nil }.map(\.id), within: scope)
        return []
    }

    /// The entries that match; of a filter that names ids, no others are looked at.
    private func matching(_ filter: MemoryFilter) -> [Entry] {
        let condition = filter.tags[.id]
        guard let ids = condition?.any.first ?? condition?.all, !ids.isEmpty else {
            return entries.values.filter { filter.matches($0.record) }
        }
        return Set(ids.map(ExactString.init)).compactMap { entries[$0] }.filter { filter.matches($0.record) }
    }

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        let matching = matching(query.filter)
        let keywords = analyzer.query(query.text)
        switch query.ranking {
        case .semantic(let threshold):
            let vector = try await embedder.checkedEmbeddings(of: [query.text])[0]
            var ranked = nearest(matching, to: vector)
            if let threshold { ranked = ranked.filter { $0.distance <= threshold } }
            return Self.page(ranked, query.page, total: ranked.count) {
                SearchHit($0.entry.record, distance: $0.distance)
            }
        case .semanticWithRecency(let weights):
            let vector = try await embedder.checkedEmbeddings(of: [query.text])[0]
            return rankedWithRecency(matching, vector, weights, query)
        case .keyword(let scorer):
            let ranked = rankedByKeywords(matching, keywords, scorer)
            let best = ranked.first?.value ?? 1
            return Self.page(ranked, query.page, total: ranked.count) {
                SearchHit($0.entry.record, relativeScore: $0.value / best, .keyword)
            }
        case .hybrid(let alpha, let scorer):
            let vector = try await embedder.checkedEmbeddings(of: [query.text])[0]
            let required = matching.filter { entry in keywords.phrases.allSatisfy { entry.words.containsRun($0) } }
            // A query without any word is ranked by its vector alone.
            let effective = keywords.isEmpty ? 1 : alpha
            return rankedHybrid(required, vector, keywords, scorer, effective, query)
        case .blended(let ranking):
            return try await blendedSearch(query, ranking)
        }
    }

    // MARK: Candidates

    public func candidates(_ query: CandidateQuery) -> CandidateSet {
        let matching = entries.values.filter { entry in
            query.filter.matches(entry.record) && query.phrases.allSatisfy { entry.words.containsRun($0) }
        }
        let near = nearest(matching, to: query.vector)
        let containing = query.words.map { word in matching.count { $0.words.contains(word) } }
        guard let pool = query.poolSize(matches: matching.count) else {
            return CandidateSet(
                total: matching.count, candidates: near.map { candidate($0, query.words) }, containing: containing)
        }
        let keywords = KeywordQuery(words: query.keywords, phrases: [])
        let strongest = Set(
            rankedByKeywords(matching, keywords, .bm25std).prefix(pool).map { ExactString($0.entry.record.id) })
        let chosen = near.enumerated().filter { position, near in
            position < pool || strongest.contains(ExactString(near.entry.record.id))
        }
        return CandidateSet(
            total: matching.count, candidates: chosen.map { candidate($1, query.words) }, containing: containing)
    }

    private func candidate(_ near: Near, _ words: [String]) -> RankingCandidate {
        let record = near.entry.record
        return RankingCandidate(
            id: record.id, distance: near.distance,
            frequencies: words.map { word in near.entry.words.count { $0 == word } }, length: near.entry.words.count,
            createdAt: record.createdAt, eventDate: record.eventDate,
            session: RankingSession(namespace: record.namespace, userID: record.userID, sessionID: record.sessionID))
    }

    public func tokenBits(of ids: [String], modelTag: UInt32) -> [ExactString: TokenBits] {
        var bits: [ExactString: TokenBits] = [:]
        for id in ids { bits[ExactString(id)] = entries[ExactString(id)]?.encoding.tokens?.bits }
        return bits
    }

    public func records(withIDs ids: [String]) -> [ExactString: MemoryRecord] {
        var records: [ExactString: MemoryRecord] = [:]
        for id in ids { records[ExactString(id)] = entries[ExactString(id)]?.record }
        return records
    }

    public func list(_ query: ListQuery) -> Page<MemoryRecord> {
        let ordered = matching(query.filter).map(\.record).sorted { a, b in
            a.createdAt != b.createdAt ? a.createdAt > b.createdAt : ExactString(a.id) < ExactString(b.id)
        }
        return Self.page(ordered, query.page, total: ordered.count) { $0 }
    }

    public func neighbors(of records: [MemoryRecord], reach: Int) async -> [SessionNeighbors] {
        records.map { SessionNeighbors(of: $0, among: entries.values.map(\.record), reach: reach) }
    }

    public func count(_ filter: MemoryFilter) -> Int {
        matching(filter).count
    }

    public func delete(_ ids: [String], within scope: AccessScope) -> Int {
        // Who may not reach everything must not keep others' promotions from being stored.
        let ids =
            scope.isEverything
            ? ids : ids.filter { id in entries[ExactString(id)].map { scope.contains($0.record) } ?? false }
        let time = now()
        let oldest = time.advanced(bySeconds: -Int64(DeletionNote.keptSeconds))
        deletions = deletions.filter { $0.value >= oldest }
        for id in ids { deletions[ExactString(id)] = time }
        let removed = ids.compactMap { entries.removeValue(forKey: ExactString($0))?.record }
        for record in removed { events.note(record.id, from: record, to: nil, at: time) }
        return removed.count
    }

    public func update(_ updates: [RecordUpdate], within scope: AccessScope) async throws -> Int {
        var vectors = TextVectors()
        while true {
            // Texts are embedded outside of the write, and meanwhile another call may change the
            // records. The loop checks again that every changed text has its vector.
            let fold = UpdateFold(updates) { id in
                entries[ExactString(id)].flatMap { scope.contains($0.record) ? $0.record : nil }
            }
            try fold.checkRules()
            let missing = fold.textsToEmbed(besides: vectors)
            guard missing.isEmpty else {
                try await vectors.embed(missing, by: embedder)
                continue
            }
            for change in fold.changes {
                let key = ExactString(change.id)
                if let text = change.newText, let encoding = vectors.encoding(of: text) {
                    entries[key]?.encoding = encoding
                    entries[key]?.words = analyzer.words(in: text)
                }
                entries[key]?.record = change.after
                events.note(change.id, from: change.before, to: change.after, over: .changed, at: now())
            }
            return fold.changes.count
        }
    }

    // MARK: Expiry

    public func hasExpired(at date: Timestamp) -> Bool {
        entries.values.contains { entry in entry.record.expiresAt.map { $0 <= date } ?? false }
    }

    public func removeExpired(at date: Timestamp) {
        WriteOrigin.$current.withValue(.expiry) {
            for (id, entry) in entries where entry.record.expiresAt.map({ $0 <= date }) ?? false {
                entries[id] = nil
                events.note(id.value, from: entry.record, to: nil, at: now())
            }
        }
    }

    // MARK: Erasure

    public func erase(_ scope: ErasureScope, from position: String?) -> ErasureStep {
        let ids = Set(entries.filter { scope.contains($0.value.record) }.keys)
        for id in ids { entries[id] = nil }
        let shown = events.erase(scope, ids)
        for id in ids.union(shown) where entries[id] == nil { deletions[id] = nil }
        return ErasureStep(memories: ids.count, events: shown.count, next: nil)
    }

    public func noteErasure(_ id: String) {
        events.append(NewEvent(erasure: id, by: .current), at: now())
    }

    // MARK: Snapshots

    public nonisolated func withSnapshot<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any RecordSnapshot) async throws -> Value
    ) async throws -> Value {
        try await body(ReferenceSnapshot(await selected(by: selection)))
    }

    private func selected(by selection: SnapshotSelection) -> [SnapshotRecord] {
        entries.values.filter { selection.contains($0.record) }
            .sorted { ExactString($0.record.id) < ExactString($1.record.id) }
            .map { SnapshotRecord($0.record, vector: selection.hasVectors ? $0.vector : nil) }
    }

    public func health() -> [ComponentHealth] {
        [ComponentHealth("store", version: "in memory"), ComponentHealth("index", version: nil)]
    }

    // MARK: Ranking

    struct Near {
        let entry: Entry
        let distance: Double
    }

    struct Ranked {
        let entry: Entry
        let value: Double
    }

    private func nearest(_ entries: [Entry], to vector: [Float]) -> [Near] {
        entries.map { Near(entry: $0, distance: metric.distance($0.vector, vector)) }.sorted { a, b in
            a.distance != b.distance
                ? a.distance < b.distance : ExactString(a.entry.record.id) < ExactString(b.entry.record.id)
        }
    }

    private static func sorted(_ ranked: [Ranked]) -> [Ranked] {
        ranked.sorted { a, b in
            a.value != b.value ? a.value > b.value : ExactString(a.entry.record.id) < ExactString(b.entry.record.id)
        }
    }

    private func rankedWithRecency(
        _ matching: [Entry], _ vector: [Float], _ weights: RecencyWeights, _ query: SearchQuery
    ) -> Page<SearchHit> {
        let candidates = nearest(matching, to: vector).prefix(query.depth.recencyCandidates ?? .max)
        let now = now()
        let scored = candidates.map { near in
            let similarity = metric.similarity(ofDistance: near.distance)
            let record = near.entry.record
            let score = weights.serverSideScore(
                similarity: similarity, lastAccessed: record.lastAccessed, createdAt: record.createdAt, now: now)
            return (near: near, score: score)
        }
        let ranked = scored.sorted { a, b in
            a.score != b.score
                ? a.score > b.score : ExactString(a.near.entry.record.id) < ExactString(b.near.entry.record.id)
        }
        return Self.page(ranked, query.page, total: matching.count) {
            SearchHit($0.near.entry.record, distance: $0.near.distance, recencyScore: $0.score)
        }
    }

    /// The records that contain one of the words and every phrase, best first by the scorer over
    /// the whole store.
    private func rankedByKeywords(_ matching: [Entry], _ keywords: KeywordQuery, _ scorer: TextScorer) -> [Ranked] {
        guard !keywords.isEmpty, !entries.isEmpty else { return [] }
        let averageLength = Double(entries.values.reduce(0) { $0 + $1.words.count }) / Double(entries.count)
        let idf = keywords.words.map { word in
            BM25.inverseDocumentFrequency(
                documents: entries.count, containing: entries.values.count { $0.words.contains(word) })
        }
        return Self.sorted(
            matching.compactMap { entry in
                guard keywords.phrases.allSatisfy({ entry.words.containsRun($0) }) else { return nil }
                let words = zip(keywords.words, idf).compactMap { word, idf -> KeywordRank.Word? in
                    let frequency = entry.words.count { $0 == word }
                    return frequency > 0 ? KeywordRank.Word(idf: idf, frequency: frequency) : nil
                }
                guard !words.isEmpty else { return nil }
                return Ranked(
                    entry: entry,
                    value: KeywordRank.value(
                        scorer, words: words, documentLength: entry.words.count, averageDocumentLength: averageLength))
            })
    }

    private func rankedHybrid(
        _ matching: [Entry], _ vector: [Float], _ keywords: KeywordQuery, _ scorer: TextScorer, _ alpha: Double,
        _ query: SearchQuery
    ) -> Page<SearchHit> {
        let near = nearest(matching, to: vector)
        let lexical = rankedByKeywords(matching, keywords, scorer)
        let best = lexical.first?.value ?? 1
        let keywordValues = Dictionary(
            uniqueKeysWithValues: lexical.map { (ExactString($0.entry.record.id), $0.value / best) })
        // In the exact zone every match is a candidate, so that the pages of all depths fit
        // together (rule P5).
        let depth = matching.count <= SearchDepth.exactZone ? .max : query.depth.hybridCandidates ?? .max
        let candidates = Set(near.prefix(depth).map { ExactString($0.entry.record.id) })
            .union(lexical.prefix(depth).map { ExactString($0.entry.record.id) })
        let ranked = Self.sorted(
            near.filter { candidates.contains(ExactString($0.entry.record.id)) }.map { near in
                let similarity = metric.similarity(ofDistance: near.distance)
                let keyword = keywordValues[ExactString(near.entry.record.id)] ?? 0
                return Ranked(entry: near.entry, value: alpha * similarity + (1 - alpha) * keyword)
            })
        let top = ranked.first?.value ?? 0
        return Self.page(ranked, query.page, total: matching.count) { ranked in
            let record = ranked.entry.record
            let hit = SearchHit(record, relativeScore: top > 0 ? ranked.value / top : 0, .hybrid)
            guard query.explains else { return hit }
            let similarity = alpha * metric.similarity(ofDistance: metric.distance(ranked.entry.vector, vector))
            return hit.explained(
                by: RankExplanation(
                    hybrid: record, value: ranked.value, similarity: similarity, text: query.text, analyzer: analyzer))
        }
    }

    private static func page<Ordered, Item>(
        _ ordered: [Ordered], _ request: PageRequest, total: Int, _ item: (Ordered) -> Item
    ) -> Page<Item> {
        Page(items: request.part(of: ordered).map(item), total: total, request: request)
    }
}
