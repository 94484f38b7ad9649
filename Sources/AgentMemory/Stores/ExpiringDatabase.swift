/// A backend whose records may expire (chapter X).
///
/// ``CheckedDatabase`` asks it with each call, and has it remove what expired before the call goes
/// on. The backend itself only stores ``MemoryRecord/expiresAt``, and removes expired records from
/// time to time, so that few calls have to.
public protocol ExpiringDatabase: MemoryVectorDatabase {
    /// Whether there is a record whose ``MemoryRecord/expiresAt`` is `date` or earlier; one read
    /// that costs nothing in a store without such records.
    func hasExpired(at date: Timestamp) async throws -> Bool

    /// Removes every record whose ``MemoryRecord/expiresAt`` is `date` or earlier, in batches.
    func removeExpired(at date: Timestamp) async throws

    /// Whether every read answers ``ExpiryQuestion/current``, so that ``hasExpired(at:)`` need not
    /// be asked in a round trip of its own. Default `false`.
    var answersExpiryWithReads: Bool { get }
}

extension ExpiringDatabase {
    public var answersExpiryWithReads: Bool { false }

    /// Removes what has expired by now.
    public func removeExpiredIfAny() async throws {
        let now = Timestamp.now()
        if try await hasExpired(at: now) { try await removeExpired(at: now) }
    }
}
