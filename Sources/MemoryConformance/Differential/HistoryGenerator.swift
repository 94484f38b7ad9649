import AgentMemory

/// Makes random histories: the same ones for the same seed, on every platform.
///
/// It keeps a plain model of what is stored, only to draw values that match; the oracle decides
/// what the calls must return.
struct HistoryGenerator {
    /// The kind of calls that a history has most of.
    enum Theme: String, CaseIterable, Sendable {
        case filters, updates, searches
    }

    private enum Call {
        case add, update, delete, count, list, search, listInPages, searchInPages
    }

    private let theme: Theme
    private let pool: ValuePool
    private var random: SplitMix64
    private(set) var stored: [MemoryRecord] = []

    /// The history of the seed with this number.
    static func history(_ theme: Theme, seed: UInt64, number: Int) throws(MemoryError) -> History {
        let streams = Theme.allCases.count
        let stream = number * streams + (Theme.allCases.firstIndex(of: theme) ?? 0)
        var generator = HistoryGenerator(theme, SplitMix64(seed: seed, stream: stream))
        return try generator.history()
    }

    private init(_ theme: Theme, _ random: SplitMix64) {
        self.theme = theme
        self.random = random
        pool = ValuePool(&self.random)
    }

    private mutating func history() throws(MemoryError) -> History {
        var steps: [History.Step] = [try add(random.between(4, 10))]
        for _ in 0..<random.between(7, 18) { steps.append(try step()) }
        return History(steps: steps)
    }

    private mutating func step() throws(MemoryError) -> History.Step {
        let calls: [(weight: Int, value: Call)] =
            switch theme {
            case .filters:
                [
                    (15, .add), (5, .update), (5, .delete), (18, .count), (22, .list), (20, .search), (8, .listInPages),
                    (7, .searchInPages),
                ]
            case .updates:
                [
                    (18, .add), (36, .update), (14, .delete), (8, .count), (12, .list), (12, .search),
                ]
            case .searches:
                [
                    (16, .add), (7, .update), (5, .delete), (4, .list), (56, .search), (12, .searchInPages),
                ]
            }
        switch random.weighted(calls) {
        case .add: return try add(random.chance(5) ? 0 : random.between(1, 6))
        case .update: return try update()
        case .delete: return delete()
        case .count: return .count(try filter())
        case .list: return .list(ListQuery(filter: try filter(), page: try page()))
        case .search: return .search(try search(page()))
        case .listInPages:
            return .listInPages(
                ListQuery(filter: random.chance(50) ? .everything : try filter(), page: try pageOfSize()))
        case .searchInPages: return .searchInPages(try search(pageOfSize()))
        }
    }

    // MARK: Writes

    private mutating func add(_ count: Int) throws(MemoryError) -> History.Step {
        var records: [MemoryRecord] = []
        for _ in 0..<count { records.append(try record()) }
        if !records.isEmpty, random.chance(20) {
            // The same id twice in a call.
            records.append(try record(id: random.pick(records).id))
        }
        let fault = fault()
        if fault == nil { for record in records { store(record) } }
        return .add(records, fault)
    }

    private mutating func fault() -> SteeredEmbedder.Fault? {
        theme == .updates && random.chance(6) ? random.pick([.down, .wrongLength, .zero, .notFinite]) : nil
    }

    private mutating func store(_ record: MemoryRecord) {
        stored.removeAll { ExactString($0.id) == ExactString(record.id) }
        stored.append(record)
    }

    private mutating func record(id: String? = nil) throws(MemoryError) -> MemoryRecord {
        let id = id ?? random.pick(pool.ids)
        let text = random.pick(pool.texts)
        let bare = random.chance(15)
        func maybe<Value>(_ percent: Int, _ values: [Value], _ random: inout SplitMix64) -> Value? {
            !bare && random.chance(percent) ? random.pick(values) : nil
        }
        func some(_ values: [String], _ most: Int, _ random: inout SplitMix64) -> [String] {
            bare ? [] : random.sample(values, random.below(most + 1))
        }
        return try MemoryRecord(
            id: id, text: text, sessionID: maybe(60, pool.sessions, &random), userID: maybe(75, pool.users, &random),
            namespace: maybe(60, pool.namespaces, &random), memoryType: random.pick(MemoryType.allCases),
            topics: some(pool.topics, 4, &random), entities: some(pool.entities, 2, &random),
            extractedFrom: some(pool.ids.filter { !$0.utf8.contains(UInt8(ascii: ",")) }, 2, &random),
            discreteMemoryExtracted: random.chance(60), extractionStrategy: maybe(40, pool.strategies, &random),
            extractionStrategyConfig: maybe(20, pool.metadata, &random) ?? [:],
            metadata: maybe(50, pool.metadata, &random) ?? [:],
            memoryHash: random.chance(8) ? random.pick(["custom-hash", "Custom-Hash", "0"]) : nil,
            pinned: random.chance(20), accessCount: random.chance(30) ? random.below(1000) : 0,
            createdAt: random.pick(pool.dates), lastAccessed: random.pick(pool.dates),
            updatedAt: random.pick(pool.dates), persistedAt: maybe(30, pool.dates, &random),
            eventDate: maybe(60, pool.dates, &random), now: History.defaultDate)
    }

    private mutating func knownID(_ percent: Int) -> String {
        if !stored.isEmpty, random.chance(percent) { return random.pick(stored).id }
        return random.chance(70) ? random.pick(pool.ids) : "unknown\(random.below(3))"
    }

    private mutating func update() throws(MemoryError) -> History.Step {
        var updates: [RecordUpdate] = []
        for _ in 0..<(random.chance(4) ? 0 : random.between(1, 4)) {
            updates.append(RecordUpdate(id: knownID(80), changes: try changes()))
        }
        if let first = updates.first, random.chance(25) {
            // The same id twice in a call: the changes apply in their order.
            updates.append(RecordUpdate(id: first.id, changes: try changes()))
        }
        let fault = fault()
        if fault == nil {
            for update in updates {
                guard let index = stored.firstIndex(where: { ExactString($0.id) == ExactString(update.id) }) else {
                    continue
                }
                stored[index].apply(update.changes)
            }
        }
        return .update(updates, fault)
    }

    private mutating func changes() throws(MemoryError) -> RecordChanges {
        // Mostly few fields at once; sometimes none, and sometimes all.
        let percent = random.weighted([(70, 18), (15, 50), (10, 100), (5, 0)])
        func maybe<Value>(_ random: inout SplitMix64, _ value: (inout SplitMix64) -> Value) -> Value? {
            random.chance(percent) ? value(&random) : nil
        }
        func change<Value>(_ random: inout SplitMix64, _ values: [Value]) -> FieldChange<Value?> {
            guard random.chance(percent) else { return .unchanged }
            return .set(random.chance(30) ? nil : random.pick(values))
        }
        let pool = pool
        return try RecordChanges(
            text: maybe(&random) { $0.pick(pool.texts) }, sessionID: change(&random, pool.sessions),
            userID: change(&random, pool.users), namespace: change(&random, pool.namespaces),
            memoryType: maybe(&random) { $0.pick(MemoryType.allCases) },
            topics: maybe(&random) { $0.sample(pool.topics, $0.below(4)) },
            entities: maybe(&random) { $0.sample(pool.entities, $0.below(3)) },
            extractedFrom: maybe(&random) { $0.sample(["m1", "m2", "m|3"], $0.below(3)) },
            discreteMemoryExtracted: maybe(&random) { $0.chance(50) },
            metadata: maybe(&random) { $0.pick(pool.metadata) },
            pinned: maybe(&random) { $0.chance(50) }, eventDate: change(&random, pool.dates),
            updatedAt: maybe(&random) { $0.pick(pool.dates) },
            access: maybe(&random) {
                .init(at: $0.pick(pool.dates), minimumIntervalSeconds: $0.pick([0, 0, 1, 900, 86_400]))
            })
    }

    private mutating func delete() -> History.Step {
        var ids: [String] = []
        for _ in 0..<(random.chance(5) ? 0 : random.between(1, 3)) { ids.append(knownID(65)) }
        if let first = ids.first, random.chance(20) { ids.append(first) }
        stored.removeAll { record in ids.contains { ExactString($0) == ExactString(record.id) } }
        return .delete(ids)
    }

    // MARK: Reads

    private mutating func page() throws(MemoryError) -> PageRequest {
        let offset = random.weighted([
            (50, 0), (30, random.below(stored.count + 2)), (12, random.below(8)), (6, stored.count + random.below(20)),
            (2, random.pick([10_000, 1 << 40, Int.max])),
        ])
        return try PageRequest(limit: random.pick([1, 2, 3, 5, 10, 10, 50, 100, 1000, 10_000]), offset: offset)
    }

    private mutating func pageOfSize() throws(MemoryError) -> PageRequest {
        try PageRequest(limit: random.pick([2, 3, 4, 5, 7, 10]))
    }

    private mutating func search(_ page: PageRequest) throws(MemoryError) -> SearchQuery {
        let text = random.pick(pool.queries)
        let ranking: SearchQuery.Ranking
        switch random.below(20) {
        case 0...4: ranking = .semantic(distanceThreshold: nil)
        case 5...7: ranking = .semantic(distanceThreshold: distanceThreshold(text))
        case 8...12: ranking = .keyword(.bm25std)
        case 13...15: ranking = .hybrid(alpha: random.pick([0, 0.25, 0.5, 0.7, 1, 1]), .bm25std)
        case 16...17:
            ranking = .blended(
                try BlendedRanking(
                    random.pick([.semantic, .hybrid(alpha: 0.7, .bm25std), .hybrid(alpha: 0.3, .bm25std)]),
                    lateInteraction: random.pick([0, 2]), contextWeight: random.pick([0, 0.4, 1]),
                    dateWeight: random.pick([0, 0.3])))
        default:
            ranking = .semanticWithRecency(
                random.chance(40)
                    ? .standard
                    : try RecencyWeights(
                        semantic: random.pick([0, 0.5, 1]), recency: random.pick([0, 0.5, 1]),
                        halfLifeLastAccessDays: random.pick([7, 365, 10_000]),
                        halfLifeCreatedDays: random.pick([30, 3650, 100_000])))
        }
        let filter = random.chance(theme == .searches ? 50 : 20) ? MemoryFilter.everything : try filter()
        return try SearchQuery(text: text, ranking: ranking, filter: filter, page: page)
    }

    /// A threshold clearly between the distances of this history's texts.
    private mutating func distanceThreshold(_ query: String) -> Double {
        let vectors = SteeredEmbedder()
        let center = vectors.vector(query)
        let distances = pool.texts.map { DistanceMetric.cosine.distance(vectors.vector($0), center) }
        let candidates = [0.001, 0.01, 0.05, 0.1, 0.25, 0.33, 0.5, 0.66, 0.8, 0.99, 1.01, 1.25, 1.5, 1.9, 1.999, 2.5]
            .filter { threshold in distances.allSatisfy { abs($0 - threshold) > 0.0005 } }
        return random.pick(candidates.isEmpty ? [3] : candidates)
    }

    /// A filter that usually matches some of the stored records and not others.
    private mutating func filter() throws(MemoryError) -> MemoryFilter {
        var filter = MemoryFilter.everything
        for _ in 0..<6 {
            var filters = FilterGenerator(stored: stored, pool: pool, random: random)
            filter = try filters.filter()
            random = filters.random
            let matches = stored.count(where: filter.matches)
            if matches > 0, matches < stored.count || stored.count < 2 { break }
        }
        return filter
    }
}
