/// A backend in whose store other programs may leave what is stored as a memory and has no usable
/// id: no read by an id finds it, and no deletion by an id removes it.
public protocol InvalidRecordDatabase: MemoryVectorDatabase {
    /// The names under which the store has such records.
    func invalidRecords() async throws -> [String]

    /// Removes such records, unless they have become memories meanwhile. They make no event.
    ///
    /// - Parameter names: from ``invalidRecords()``.
    /// - Returns: how many were removed.
    func removeInvalidRecords(_ names: [String]) async throws -> Int
}
