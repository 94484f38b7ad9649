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

    /// Stores those of the records whose ids are not stored yet: what is there, perhaps edited since, stays as it is.
    ///
    /// - Returns: the ids that were stored.
    @discardableResult
    public func createMissing(_ records: [MemoryRecord]) async throws -> [String] {
        let there = Set(try await stored(.id, records.map(\.id).exactlyDistinct()).map { ExactString($0.id) })
        let missing = records.filter { !there.contains(ExactString($0.id)) }
        return missing.isEmpty ? [] : try await database.add(missing)
    }

    /// What is left of a call without its duplicates, as the store will be once the call has been written: of an id given twice
    /// the last record counts, and what a stored record said before this call replaces it is no reason to drop another.
    private func withoutDuplicates(_ records: [MemoryRecord]) async throws -> [MemoryRecord] {
        var last: [ExactString: MemoryRecord] = [:]
        for record in records { last[ExactString(record.id)] = record }
        let final = records.map(\.id).exactlyDistinct().compactMap { last[ExactString($0)] }

        let replaced = Set(try await stored(.id, final.map(\.id)).map { ExactString($0.id) })
        var taken: Set<String> = []
        for record in try await stored(.memoryHash, final.map(\.memoryHash).exactlyDistinct())
        where last[ExactString(record.id)] == nil { taken.insert(record.memoryHash) }
        for record in final where replaced.contains(ExactString(record.id)) { taken.insert(record.memoryHash) }
        return final.filter { record in
            replaced.contains(ExactString(record.id)) || taken.insert(record.memoryHash).inserted
        }
    }

    /// The stored records that have one of the values in the field.
    ///
    /// They are asked for in slices: a filter with tens of thousands of values is a query that engines may refuse.
    private func stored(_ field: TagField, _ values: [String]) async throws -> [MemoryRecord] {
        var found: [MemoryRecord] = []
        for start in stride(from: 0, to: values.count, by: Self.valuesPerQuery) {
            let slice = Array(values[start..<min(start + Self.valuesPerQuery, values.count)])
            let filter = MemoryFilter(tags: [field: try TagCondition(field: field, any: slice)])
            var offset: Int? = 0
            while let from = offset {
                let page = try await database.list(
                    ListQuery(filter: filter, page: try PageRequest(limit: PageRequest.maximumLimit, offset: from)))
                found += page.items
                // A backend whose total is larger than what it has must not be asked for ever.
                offset = page.items.isEmpty ? nil : page.nextOffset
            }
        }
        return found
    }

    private static let valuesPerQuery = 500

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
