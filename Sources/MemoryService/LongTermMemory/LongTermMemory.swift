public import AgentMemory

/// Long-term memory: the operations that transports call, on any backend.
///
/// Some decisions must be made together with the write: which of several equal texts is kept, and
/// whether a promotion would store a deleted record again. An ``AtomicMemoryDatabase`` makes them
/// in its store. With any other backend the writers of this process take locks, and deletions are
/// noted next to the jobs; two servers on one such backend can still interleave.
///
/// Every method takes the caller, sees and writes only what that one may (``Caller``), and throws
/// ``MemoryError`` (or `CancellationError`).
public struct LongTermMemory: Sendable {
    let memories: GuardedMemories
    private let accessRecorder: AccessRecorder
    private let reranking: Reranking?
    private let optimization: QueryOptimization?
    let indexing: Indexing?
    let now: @Sendable () -> Timestamp
    private let deletions: (any DeletionNotes)?
    private let erasures: ErasureMarks?
    private let locks = KeyedLocks<LockKey>()

    /// - Parameters:
    ///   - deletions: notes deleted ids, for backends that do not do so themselves.
    ///   - erasures: what was erased, which work that was handed in before does not bring back.
    ///   - accessRecorder: gets the ids that searches with recency have returned; they are written
    ///     only while its `run()` is running.
    ///   - reranking: orders the best hits of searches; default: none.
    ///   - optimization: rewrites queries where a search asks for it; default: none.
    ///   - indexing: gets what was stored; default: none.
    ///   - now: the clock for persisted_at, updated_at and recency.
    public init(
        database: any MemoryVectorDatabase, accessRecorder: AccessRecorder, deletions: (any DeletionNotes)? = nil,
        erasures: ErasureMarks? = nil, reranking: Reranking? = nil, optimization: QueryOptimization? = nil,
        indexing: Indexing? = nil,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        memories = GuardedMemories(database)
        self.accessRecorder = accessRecorder
        self.deletions = deletions
        self.erasures = erasures
        self.reranking = reranking
        self.optimization = optimization
        self.indexing = indexing
        self.now = now
    }

    /// Stores the records; they are searchable once this returns. Repeating the call has no further
    /// effect.
    ///
    /// - Parameter deduplicate: leaves out a record whose memory hash (text, scope and type)
    ///   another id has already, in the store or earlier in the same call. A record whose own id is
    ///   stored is a replacement, never a duplicate.
    /// - Returns: the ids that were stored.
    @discardableResult
    public func create(_ records: [MemoryRecord], deduplicate: Bool, for caller: Caller) async throws -> [String] {
        let memories = memories.scoped(to: caller)
        let records = try memories.completed(records)
        let ids = try await store(records, deduplicate: deduplicate, memories)
        if let indexing {
            let stored = Set(ids.map(ExactString.init))
            try await indexing.enqueueAfterWrite(
                RecordBatch(records).records.filter { stored.contains(ExactString($0.id)) },
                deduplicating: deduplicate, for: caller)
        }
        return ids
    }

    private func store(
        _ records: [MemoryRecord], deduplicate: Bool, _ memories: ScopedMemories
    ) async throws -> [String] {
        try await MemoryError.tellingOutcome(.again) {
            guard deduplicate else { return try await memories.add(records) }
            guard memories.decidesInStore else {
                return try await inTurn(records.map { .id(ExactString($0.id)) } + records.map { .hash($0.memoryHash) })
                {
                    let kept = try await MemoryError.beforeAnyWrite { try await withoutDuplicates(records, memories) }
                    return try await memories.add(kept)
                }
            }
            // Most duplicates are found here, before anything is embedded; concurrent ones are
            // found at the write.
            let kept = try await MemoryError.beforeAnyWrite { try await withoutDuplicates(records, memories) }
            return try await memories.addDistinct(kept) ?? []
        }
    }

    /// Stores the records that may be stored (``PromotionOutcome``), and queues what is done with
    /// them.
    ///
    /// - Parameters:
    ///   - records: of different ids.
    ///   - handedInAt: when they were handed in, by the clock of the jobs.
    /// - Returns: the outcome for each record.
    func promote(
        _ records: [MemoryRecord], handedInAt: Timestamp, for caller: Caller
    ) async throws -> [PromotionOutcome] {
        let erased = try await erased(records, handedInAt: handedInAt)
        guard !erased.isEmpty else { return try await promoteUnerased(records, handedInAt, caller) }
        let kept = records.filter { !erased.contains(ExactString($0.id)) }
        var outcomes = try await promoteUnerased(kept, handedInAt, caller)[...]
        return records.map { erased.contains(ExactString($0.id)) ? .deleted : outcomes.popFirst() ?? .deleted }
    }

    /// The ids of the records that belong to what was erased after they had been handed in.
    func erased(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> Set<ExactString> {
        try await erasures?.erased(records, handedInAt: handedInAt) ?? []
    }

    private func promoteUnerased(
        _ records: [MemoryRecord], _ handedInAt: Timestamp, _ caller: Caller
    ) async throws -> [PromotionOutcome] {
        let outcomes = try await storeNew(records, handedInAt: handedInAt, for: caller)
        // Also those that an earlier run has stored, perhaps without coming to this point.
        let stored = zip(records, outcomes).filter { $0.1 == .stored || $0.1 == .present }.map(\.0)
        try await indexing?.enqueue(stored, deduplicating: true, for: caller)
        return outcomes
    }

    private func storeNew(
        _ records: [MemoryRecord], handedInAt: Timestamp, for caller: Caller
    ) async throws -> [PromotionOutcome] {
        guard !records.isEmpty else { return [] }
        let memories = memories.scoped(to: caller)
        if let outcomes = try await memories.promote(records, handedInAt: handedInAt) { return outcomes }
        return try await inTurn(records.map { .id(ExactString($0.id)) }) {
            var stored: [ExactString: MemoryRecord] = [:]
            for record in try await memories.stored(.id, records.map(\.id)) { stored[ExactString(record.id)] = record }
            let deleted = Set(
                try await deletions?.deleted(records.map(\.id), since: handedInAt).map(ExactString.init) ?? [])
            let outcomes = records.map { record -> PromotionOutcome in
                if let there = stored[ExactString(record.id)] {
                    return there.sharesOwner(with: record) ? .present : .taken
                }
                return deleted.contains(ExactString(record.id)) ? .deleted : .stored
            }
            let missing = zip(records, outcomes).filter { $0.1 == .stored }.map(\.0)
            _ = try await memories.add(missing)
            return outcomes
        }
    }

    /// Stores what was derived from a session, each record once: not again under an id that exists,
    /// that was deleted since, or whose text another id has already in its scope.
    ///
    /// - Parameters:
    ///   - records: of different ids.
    ///   - handedInAt: when the work was handed in, by the clock of the jobs.
    func keepDerived(_ records: [MemoryRecord], handedInAt: Timestamp, for caller: Caller) async throws {
        let distinct = try await withoutDuplicates(records, memories.scoped(to: caller))
        _ = try await promote(distinct, handedInAt: handedInAt, for: caller)
    }

    /// The locks that writers take for a backend that cannot decide in its store.
    enum LockKey: Hashable, Comparable {
        case id(ExactString)
        case hash(String)
    }

    func inTurn<Value: Sendable>(
        _ keys: [LockKey], _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        try await locks.withLock(all: Set(keys), body)
    }

    /// The records of a call without its duplicates, judged by the state after the call: of an id
    /// given twice the last record counts, and the old text of a record that this call replaces is
    /// not a reason to drop another.
    private func withoutDuplicates(
        _ records: [MemoryRecord], _ memories: ScopedMemories
    ) async throws -> [MemoryRecord] {
        let final = RecordBatch(records)
        let replaced = Set(try await memories.stored(.id, final.records.map(\.id)).map { ExactString($0.id) })
        let holders = try await memories.stored(.memoryHash, final.memoryHashes)
        return final.withoutDuplicates(
            storedIDs: replaced, holders: holders.map { (id: $0.id, memoryHash: $0.memoryHash) })
    }

    /// One page of the results of `request`; without a text it is a list (rule S1).
    public func search(_ request: MemorySearch, for caller: Caller) async throws -> FoundMemories {
        let memories = memories.scoped(to: caller)
        let (searched, rewriting) = try await optimized(request, within: caller.scope)
        var (page, outcome) = try await ranked(searched, memories)
        var optimization = rewriting
        if page.total == 0, case .rewritten = rewriting, request.query?.hasThreshold == true {
            // As the reference does: another wording may lie just behind the threshold.
            (page, outcome) = try await ranked(request, memories)
            optimization = .left("nothing was found for the rewritten query")
        }
        if let weights = request.recencyBoost {
            accessRecorder.record(page.items.map(\.record))
            page = boosted(page, outcome, isBlended: request.query?.ranking.isBlended ?? false, by: weights)
        }
        let neighbors =
            request.neighbors == 0
            ? nil : try await memories.neighbors(of: page.items.map(\.record), reach: request.neighbors)
        return FoundMemories(
            page: page, reranking: outcome, optimization: request.query?.explains == true ? optimization : nil,
            neighbors: neighbors)
    }

    /// The search with the text that a language model made of its own, if it asks for that.
    private func optimized(
        _ request: MemorySearch, within scope: AccessScope
    ) async throws -> (MemorySearch, QueryOptimization.Outcome?) {
        guard request.optimizesQuery, let query = request.query else { return (request, nil) }
        guard let optimization else { return (request, .left("this server has no language model")) }
        let outcome = try await optimization.outcome(of: query, within: scope)
        guard case .rewritten(let text) = outcome else { return (request, outcome) }
        return (try request.searching(for: text), outcome)
    }

    /// The page re-ordered by recency.
    private func boosted(
        _ page: Page<SearchHit>, _ outcome: Reranking.Outcome?, isBlended: Bool, by weights: RecencyWeights
    ) -> Page<SearchHit> {
        let now = now()
        return page.reordered { hits in
            let scored = hits.enumerated().map { position, hit in
                // The reranking model's score of a hit replaces its similarity; a blended search
                // ranks by its score, not by the distance of the vector.
                let distance =
                    outcome?.score(of: hit).map { 1 - min(1, max(0, $0)) }
                    ?? (isBlended ? hit.score.map { 1 - $0 } : nil) ?? hit.distance
                return (
                    hit: hit, position: position,
                    score: weights.boostScore(distance: distance, of: hit.record, now: now)
                )
            }
            // Swift's sort is not guaranteed to be stable, so the position decides.
            return scored.sorted { $0.score != $1.score ? $0.score > $1.score : $0.position < $1.position }.map(\.hit)
        }
    }

    /// The page in the order of the ranking, or of the reranking model.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` if the request insists on a model, and
    ///   there is none.
    private func ranked(
        _ request: MemorySearch, _ memories: ScopedMemories
    ) async throws -> (page: Page<SearchHit>, outcome: Reranking.Outcome?) {
        if request.reranks == true, reranking == nil {
            throw MemoryError(.unsupported, "this server has no reranking model", path: [.key("rerank")])
        }
        guard let query = request.query else {
            let list = try await memories.list(ListQuery(filter: request.filter, page: request.page))
            return (list.map(SearchHit.init(listed:)), nil)
        }
        guard let reranking, request.reranks ?? query.ranking.canBeReranked else {
            return (try await found(query, memories), nil)
        }
        return try await reranking.page(of: query) { try await found($0, memories) }
    }

    /// The page with explanations, if they are requested.
    private func found(_ query: SearchQuery, _ memories: ScopedMemories) async throws -> Page<SearchHit> {
        let page = try await memories.search(query)
        guard query.explains else { return page }
        // Rankings of several parts come with theirs.
        return page.map { hit in
            if hit.explanation != nil { return hit }
            return hit.explained(by: RankExplanation(hit, ranking: query.ranking, text: query.text))
        }
    }

    public func list(_ query: ListQuery, for caller: Caller) async throws -> Page<MemoryRecord> {
        try await memories.scoped(to: caller).list(query)
    }

    public func count(_ filter: MemoryFilter, for caller: Caller) async throws -> Int {
        try await memories.scoped(to: caller).count(filter)
    }

    /// - Throws: ``MemoryError`` with code `notFound`, and with the id of what took the record's
    ///   place, if it was united with another one.
    public func record(id: String, for caller: Caller) async throws -> MemoryRecord {
        // A record cannot exist under an invalid id.
        guard Self.canBeID(id) else { throw Self.notFound(id) }
        let memories = memories.scoped(to: caller)
        guard let record = try await memories.record(id: id) else {
            throw Self.notFound(id, successor: try await successor(of: id, memories))
        }
        return record
    }

    static func canBeID(_ id: String) -> Bool {
        (try? TagCondition(field: .id, eq: id)) != nil
    }

    /// Changes the given fields and returns the whole record with them.
    ///
    /// - Parameter changes: makes the changes, given the time for `updated_at`.
    /// - Throws: ``MemoryError`` with code `notFound`.
    public func edit(
        id: String, for caller: Caller, _ changes: (Timestamp) throws(MemoryError) -> RecordChanges
    ) async throws -> MemoryRecord {
        let memories = memories.scoped(to: caller)
        let update = RecordUpdate(id: id, changes: try changes(now()))
        guard Self.canBeID(id), try await MemoryError.tellingOutcome(.again, { try await memories.update(update) }) == 1
        else {
            throw Self.notFound(id)
        }
        return try await record(id: id, for: caller)
    }

    /// Removes records. Promotions of one of the ids that were handed in before are not stored any
    /// more.
    ///
    /// - Returns: how many records were removed.
    public func delete(ids: [String], for caller: Caller) async throws -> Int {
        let memories = memories.scoped(to: caller)
        // An id that breaks the rules of ids cannot be stored; stores need not see it.
        let possible = ids.filter(Self.canBeID).exactlyDistinct()
        guard !possible.isEmpty else { return 0 }
        return try await MemoryError.tellingOutcome(.again) {
            if memories.decidesInStore { return try await memories.delete(possible) }
            return try await inTurn(possible.map { .id(ExactString($0)) }) {
                let deletable = try await memories.deletable(possible)
                guard !deletable.isEmpty else { return 0 }
                // Noted first: a crash in between leaves a record that cannot be promoted, not one
                // that is stored again.
                try await deletions?.noteDeleted(deletable)
                return try await memories.delete(deletable)
            }
        }
    }

    static func notFound(_ id: String, successor: String? = nil) -> MemoryError {
        MemoryError(.notFound, "Memory with ID \(id) not found", successor: successor)
    }
}
