/// A backend that decides in the store itself, together with the write, which records of a call are
/// stored, so that no writer of any process can come in between.
///
/// Its ``MemoryVectorDatabase/delete(_:)`` also notes the ids with the time of the store, whether
/// such records exist or not, and keeps the notes for ``DeletionNote/keptSeconds``. They let
/// ``promote(_:handedInAt:)`` tell a record that was never stored from one that was deleted since.
///
/// It also heeds ``MemoryFilter/scope``, and checks in the store whose records a call replaces,
/// changes or removes: the `scope` of a call is what its caller may reach.
///
/// For other backends the service checks before the write, without that guarantee: see
/// `LongTermMemory`.
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

    /// Stores records as ``add(_:within:)`` does, but leaves out each record whose memory hash
    /// another id has, in the store or earlier in the call.
    ///
    /// A record whose own id is stored is a replacement, never a duplicate. A record that the call
    /// replaces is not a reason to leave out another one. Of concurrent calls with one memory hash
    /// under different ids, one stores it.
    ///
    /// - Returns: the ids that were stored, in the order given, each once.
    func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String]

    /// Stores the records that may be stored (see ``PromotionOutcome``), all of them or none;
    /// replaces nothing.
    ///
    /// - Parameters:
    ///   - records: of different ids.
    ///   - handedInAt: when they were handed in for promotion, by the store's clock. What was
    ///     deleted then or later is not stored.
    /// - Returns: the outcome for each record.
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

/// The outcome for a record that was to be promoted.
public enum PromotionOutcome: Sendable, Equatable {
    case stored
    /// A record of the same user and namespace has the id already, perhaps edited since; it stays
    /// as it is.
    case present
    /// The id was deleted after the record had been handed in.
    case deleted
    /// A record of another user or namespace has the id; the new one is not stored.
    case taken
}

extension MemoryRecord {
    /// Whether both belong to the same user and namespace.
    public func sharesOwner(with other: MemoryRecord) -> Bool {
        userID.map(ExactString.init) == other.userID.map(ExactString.init)
            && namespace.map(ExactString.init) == other.namespace.map(ExactString.init)
    }
}
