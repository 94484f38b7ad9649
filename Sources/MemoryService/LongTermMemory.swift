public import AgentMemory

/// Long-term memory: what transports call, whatever the backend.
///
/// Every method throws ``MemoryError`` (or `CancellationError`).
public struct LongTermMemory: Sendable {
    private let database: any MemoryVectorDatabase
    private let accessRecorder: AccessRecorder
    private let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - accessRecorder: gets the ids of what searches with recency have shown; its `run()` must be running for them to be written.
    ///   - now: the clock for persisted_at, updated_at and recency.
    public init(
        database: any MemoryVectorDatabase, accessRecorder: AccessRecorder,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.database = database
        self.accessRecorder = accessRecorder
        self.now = now
    }

    /// Stores the records; they are searchable once this returns.
    ///
    /// - Parameter deduplicate: leaves out a record whose memory hash (text, scope and type) another id has already, in the store or
    ///   earlier in the same call. A record whose own id is stored is a replacement, never a duplicate.
    /// - Returns: the ids that were stored.
    @discardableResult
    public func create(_ records: [MemoryRecord], deduplicate: Bool) async throws -> [String] {
        let kept = deduplicate ? try await withoutDuplicates(records) : records
        guard !kept.isEmpty else { return [] }
        return try await database.add(kept)
    }

    private func withoutDuplicates(_ records: [MemoryRecord]) async throws -> [MemoryRecord] {
        let hashes = records.map(\.memoryHash).exactlyDistinct()
        guard !hashes.isEmpty else { return [] }
        // Which stored ids have one of the hashes. Hashes are asked for in slices: a filter with tens of thousands of
        // values is a query that engines may refuse.
        var holders: [String: [String]] = [:]
        for start in stride(from: 0, to: hashes.count, by: Self.hashesPerQuery) {
            let slice = Array(hashes[start..<min(start + Self.hashesPerQuery, hashes.count)])
            let filter = MemoryFilter(tags: [.memoryHash: try TagCondition(field: .memoryHash, any: slice)])
            var offset: Int? = 0
            while let from = offset {
                let page = try await database.list(
                    ListQuery(filter: filter, page: try PageRequest(limit: PageRequest.maximumLimit, offset: from)))
                for record in page.items { holders[record.memoryHash, default: []].append(record.id) }
                offset = page.nextOffset
            }
        }
        var kept: [MemoryRecord] = []
        for record in records {
            let holding = holders[record.memoryHash] ?? []
            let isStoredHere = holding.contains { ExactString($0) == ExactString(record.id) }
            guard holding.isEmpty || isStoredHere else { continue }
            if !isStoredHere { holders[record.memoryHash, default: []].append(record.id) }
            kept.append(record)
        }
        return kept
    }

    private static let hashesPerQuery = 500

    /// One page of what `request` asks for; without a text it is a list (rule S1).
    public func search(_ request: SearchRequest) async throws -> Page<SearchHit> {
        let page: Page<SearchHit>
        if let query = request.query {
            try database.capabilities.check(query.ranking, backend: database.name)
            page = try await database.search(query)
        } else {
            page = try await database.list(ListQuery(filter: request.filter, page: request.page)).map(
                SearchHit.init(listed:))
        }
        guard let weights = request.recencyBoost else { return page }
        accessRecorder.record(page.items.map(\.record))
        let now = now()
        return page.reordered { hits in
            let scored = hits.enumerated().map { position, hit in
                (
                    hit: hit, position: position,
                    score: weights.boostScore(distance: hit.distance, of: hit.record, now: now)
                )
            }
            // Swift's sort promises no stability, the position does.
            return scored.sorted { $0.score != $1.score ? $0.score > $1.score : $0.position < $1.position }.map(\.hit)
        }
    }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await database.list(query)
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        try await database.count(filter)
    }

    /// - Throws: ``MemoryError`` with code `notFound`.
    public func record(id: String) async throws -> MemoryRecord {
        // What cannot be an id is not stored under it either.
        guard let condition = try? TagCondition(field: .id, eq: id) else { throw Self.notFound(id) }
        let query = ListQuery(filter: MemoryFilter(tags: [.id: condition]), page: try PageRequest(limit: 1))
        guard let record = try await database.list(query).items.first else { throw Self.notFound(id) }
        return record
    }

    /// Changes the given fields and answers the whole record as it is then.
    ///
    /// - Parameter changes: makes the changes, given the time for `updated_at`.
    /// - Throws: ``MemoryError`` with code `notFound`.
    public func edit(id: String, _ changes: (Timestamp) throws(MemoryError) -> RecordChanges) async throws
        -> MemoryRecord
    {
        let update = RecordUpdate(id: id, changes: try changes(now()))
        guard (try? TagCondition(field: .id, eq: id)) != nil, try await database.update([update]) == 1 else {
            throw Self.notFound(id)
        }
        return try await record(id: id)
    }

    /// - Returns: how many records were removed.
    public func delete(ids: [String]) async throws -> Int {
        // An id that breaks the rules of ids cannot be stored; stores need not see it.
        let possible = ids.filter { (try? TagCondition(field: .id, eq: $0)) != nil }.exactlyDistinct()
        return possible.isEmpty ? 0 : try await database.delete(possible)
    }

    private static func notFound(_ id: String) -> MemoryError {
        MemoryError(.notFound, "Memory with ID \(id) not found")
    }
}
