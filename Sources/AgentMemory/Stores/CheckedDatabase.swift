/// Any backend with the checks that all backends need, made once before each call: this is what the
/// server and the conformance kit run.
///
/// A search that the backend's ``BackendCapabilities`` do not cover is refused, and a call without
/// records, ids or updates returns at once; neither reaches the backend. A backend that keeps
/// opaque bytes is given the bits of the texts' tokens.
public struct CheckedDatabase: MemoryVectorDatabase {
    /// The backend itself.
    public let database: any MemoryVectorDatabase

    /// - Parameter database: one that is checked already is not wrapped twice.
    public init(_ database: any MemoryVectorDatabase) {
        self.database = (database as? CheckedDatabase)?.database ?? database
    }

    /// The writes whose conditions the backend checks in its store; `nil` if it is not an
    /// ``AtomicMemoryDatabase``.
    public var atomicWrites: CheckedAtomicWrites? {
        (database as? any AtomicMemoryDatabase).map(CheckedAtomicWrites.init)
    }

    /// The events of the backend.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` if it is not a ``RecordHistory``.
    public func history() throws(MemoryError) -> any RecordHistory {
        guard let history = database as? any RecordHistory else {
            throw MemoryError(.unsupported, "the backend \(name) keeps no history")
        }
        return history
    }

    public var name: String { database.name }
    /// Those of the backend, and `blendedSearch`, which is made of its other searches if it is not
    /// among them.
    public var capabilities: BackendCapabilities {
        var capabilities = database.capabilities
        capabilities.blendedSearch = true
        return capabilities
    }

    public func prepare() async throws { try await database.prepare() }
    public func run() async throws { try await database.run() }
    public func close() async { await database.close() }
    public func health() async -> [ComponentHealth] { await database.health() }

    /// Whether a blended search can compare texts by their tokens: the backend ranks with them
    /// itself, or keeps the bytes for it.
    public var comparesTokens: Bool { database.capabilities.blendedSearch || opaqueBytes != nil }

    /// The backend, if it declares that it keeps opaque bytes.
    public var opaqueBytes: (any OpaqueBytesDatabase)? {
        database.capabilities.opaqueBytes ? database as? any OpaqueBytesDatabase : nil
    }

    public func add(_ records: [MemoryRecord]) async throws -> [String] {
        guard !records.isEmpty else { return [] }
        try capabilities.checkExpiry(isGiven: records.contains { $0.expiresAt != nil }, backend: name)
        if let opaqueBytes { return try await opaqueBytes.addWithTokens(records) }
        // It replaces what has its ids, expired or not.
        return try await database.add(records)
    }

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        try capabilities.check(query.ranking, backend: name)
        try capabilities.check(query.filter, backend: name)
        return try await unexpired {
            if case .blended(let ranking) = query.ranking, !database.capabilities.blendedSearch {
                return try await ComposedSearch(database, keeper: opaqueBytes).page(of: query, ranking)
            }
            return try await database.search(query)
        }
    }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try capabilities.check(query.filter, backend: name)
        return try await unexpired { try await database.list(query) }
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        try capabilities.check(filter, backend: name)
        return try await unexpired { try await database.count(filter) }
    }

    public func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        guard reach > 0, records.contains(where: { $0.sessionID != nil }) else {
            return records.map { _ in .none }
        }
        return try await unexpired { try await database.neighbors(of: records, reach: reach) }
    }

    public func delete(_ ids: [String]) async throws -> Int {
        guard !ids.isEmpty else { return 0 }
        try await removeExpired()
        return try await database.delete(ids)
    }

    public func update(_ updates: [RecordUpdate]) async throws -> Int {
        guard !updates.isEmpty else { return 0 }
        try capabilities.checkExpiry(isGiven: updates.contains { $0.changes.setsExpiry }, backend: name)
        try await removeExpired()
        if let opaqueBytes { return try await opaqueBytes.updateWithTokens(updates) }
        return try await database.update(updates)
    }

    // MARK: Expiry

    /// The result of a read that has seen no record which had expired before it began (rule X1).
    ///
    /// The store is asked at the same time whether there is one, so that a read takes no longer, or
    /// within the read itself. Only then it is removed, and the read repeated: so statistics do not
    /// count it either.
    private func unexpired<Answer: Sendable>(
        _ read: @Sendable () async throws -> Answer
    ) async throws -> Answer {
        guard let expiring = database as? any ExpiringDatabase else { return try await read() }
        let now = Timestamp.now()
        if expiring.answersExpiryWithReads {
            let question = ExpiryQuestion(date: now)
            let answer = try await ExpiryQuestion.$current.withValue(question) { try await read() }
            guard question.hasExpired else { return answer }
            try await expiring.removeExpired(at: now)
            return try await read()
        }
        async let isDue = expiring.hasExpired(at: now)
        let answer = try await read()
        guard try await isDue else { return answer }
        try await expiring.removeExpired(at: now)
        return try await read()
    }

    private func removeExpired() async throws {
        try await (database as? any ExpiringDatabase)?.removeExpiredIfAny()
    }
}

extension RecordChanges {
    /// Whether the record is to get a date of expiry.
    fileprivate var setsExpiry: Bool { (expiresAt.value ?? nil) != nil }
}

/// The writes of an ``AtomicMemoryDatabase``, checked as those of ``CheckedDatabase``.
public struct CheckedAtomicWrites: Sendable {
    fileprivate let database: any AtomicMemoryDatabase

    /// As ``AtomicMemoryDatabase/add(_:within:)``.
    public func add(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        guard !records.isEmpty else { return [] }
        try await prepare(records)
        return try await database.add(records, within: scope)
    }

    /// As ``AtomicMemoryDatabase/update(_:within:)``.
    public func update(_ updates: [RecordUpdate], within scope: AccessScope) async throws -> Int {
        guard !updates.isEmpty else { return 0 }
        try database.capabilities.checkExpiry(
            isGiven: updates.contains { $0.changes.setsExpiry }, backend: database.name)
        try await prepare([])
        return try await database.update(updates, within: scope)
    }

    /// As ``AtomicMemoryDatabase/delete(_:within:)``.
    public func delete(_ ids: [String], within scope: AccessScope) async throws -> Int {
        guard !ids.isEmpty else { return 0 }
        try await prepare([])
        return try await database.delete(ids, within: scope)
    }

    /// As ``AtomicMemoryDatabase/addDistinct(_:within:)``.
    public func addDistinct(
        _ records: [MemoryRecord], within scope: AccessScope = .everything
    ) async throws -> [String] {
        guard !records.isEmpty else { return [] }
        try await prepare(records)
        return try await database.addDistinct(records, within: scope)
    }

    /// As ``AtomicMemoryDatabase/promote(_:handedInAt:)``.
    public func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome] {
        guard !records.isEmpty else { return [] }
        try await prepare(records)
        return try await database.promote(records, handedInAt: handedInAt)
    }

    /// A write must not meet what expired: neither as a duplicate nor as a known id.
    private func prepare(_ records: [MemoryRecord]) async throws {
        try database.capabilities.checkExpiry(
            isGiven: records.contains { $0.expiresAt != nil }, backend: database.name)
        try await (database as? any ExpiringDatabase)?.removeExpiredIfAny()
    }
}
