/// A backend that decides in the store itself, together with the write, which records of a call are
/// stored, so that no other writer of any process comes in between.
///
/// Besides, its ``MemoryVectorDatabase/delete(_:)`` notes the ids with the time of the store,
/// whether there are such records or not, and keeps the notes for ``DeletionNote/keptSeconds``, so
/// that ``promote(_:handedInAt:)`` can tell what was never stored from what has been deleted since.
///
/// It also heeds ``MemoryFilter/scope``, and checks in the store whose records a call replaces,
/// changes or removes: the `scope` of a call is what its caller may reach.
///
/// For other backends the service does what it can from outside: see `LongTermMemory`.
public protocol AtomicMemoryDatabase: MemoryVectorDatabase {
    /// As ``MemoryVectorDatabase/add(_:)``.
    ///
    /// - Throws: ``MemoryError`` with code `conflict` (``AccessScope/conflict``) if one of the ids
    ///   is that of a stored record outside of the scope; then nothing was written.
    func add(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String]

    /// As ``MemoryVectorDatabase/update(_:)``; a record outside of the scope counts as unknown.
    func update(_ updates: [RecordUpdate], within scope: AccessScope) async throws -> Int

    /// As ``MemoryVectorDatabase/delete(_:)``; a record outside of the scope counts as unknown.
    ///
    /// With a scope that is not everything, only what was removed is noted: a caller must not keep
    /// another one's promotions from being stored.
    func delete(_ ids: [String], within scope: AccessScope) async throws -> Int

    /// As ``add(_:within:)``, but leaves out each record whose memory hash another id
    /// has, in the store or earlier in the call. A record whose own id is stored is a replacement,
    /// never a duplicate; what a record of the call replaces is no reason to leave out another. Of
    /// calls that run at once with one memory hash under different ids, one stores it.
    ///
    /// - Returns: the ids that were stored, in the order given, each once.
    func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String]

    /// Stores those of the records that nothing stands against, all of them or none; replaces
    /// nothing.
    ///
    /// - Parameters:
    ///   - records: of different ids.
    ///   - handedInAt: when they were handed in for promotion, by the store's clock. What was
    ///     deleted then or later is not stored.
    /// - Returns: what became of each record.
    func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome]
}

extension AtomicMemoryDatabase {
    public func add(_ records: [MemoryRecord]) async throws -> [String] {
        try await add(records, within: .everything)
    }

    public func update(_ updates: [RecordUpdate]) async throws -> Int {
        try await update(updates, within: .everything)
    }

    public func delete(_ ids: [String]) async throws -> Int {
        try await delete(ids, within: .everything)
    }

    public func addDistinct(_ records: [MemoryRecord]) async throws -> [String] {
        try await addDistinct(records, within: .everything)
    }
}

/// What became of a record that was to be promoted.
public enum PromotionOutcome: Sendable, Equatable {
    case stored
    /// The user and namespace of the record have its id already, perhaps edited since: left as it
    /// is.
    case present
    /// The id was deleted after the record had been handed in.
    case deleted
    /// The id is that of a record of another user or namespace: not stored.
    case taken
}

extension MemoryRecord {
    /// Whether both belong to the same user and namespace.
    public func sharesOwner(with other: MemoryRecord) -> Bool {
        userID.map(ExactString.init) == other.userID.map(ExactString.init)
            && namespace.map(ExactString.init) == other.namespace.map(ExactString.init)
    }
}
