/// The records of one call as the store must have them: of an id given twice the last record
/// counts.
public struct RecordBatch: Sendable {
    /// The ids in the order given, one for each record given.
    public let givenIDs: [String]
    /// Every id once, in the order in which the ids first came.
    public let records: [MemoryRecord]

    public init(_ given: some Sequence<MemoryRecord>) {
        var last: [ExactString: MemoryRecord] = [:]
        var ids: [String] = []
        for record in given {
            last[ExactString(record.id)] = record
            ids.append(record.id)
        }
        givenIDs = ids
        records = ids.exactlyDistinct().compactMap { last[ExactString($0)] }
    }

    /// The memory hashes of the records, each once.
    public var memoryHashes: [String] { records.map(\.memoryHash).exactlyDistinct() }

    /// The records without those whose memory hash another id has
    /// (``AtomicMemoryDatabase/addDistinct(_:)``).
    ///
    /// - Parameters:
    ///   - storedIDs: the ids of the batch that are stored.
    ///   - holders: the stored records that have one of the hashes of the batch.
    public func withoutDuplicates(
        storedIDs: Set<ExactString>, holders: some Sequence<(id: String, memoryHash: String)>
    ) -> [MemoryRecord] {
        let own = Set(records.map { ExactString($0.id) })
        var taken: Set<String> = []
        for holder in holders where !own.contains(ExactString(holder.id)) { taken.insert(holder.memoryHash) }
        for record in records where storedIDs.contains(ExactString(record.id)) { taken.insert(record.memoryHash) }
        return records.filter { record in
            storedIDs.contains(ExactString(record.id)) || taken.insert(record.memoryHash).inserted
        }
    }
}

extension Sequence {
    /// The elements in the order of the bytes of their ids. All writers take records in this order,
    /// so that they cannot deadlock.
    public func inOrder(ofID id: (Element) -> String) -> [Element] {
        sorted { ExactString(id($0)) < ExactString(id($1)) }
    }
}
