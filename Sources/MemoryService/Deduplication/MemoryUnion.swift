import AgentMemory

/// Several memories as one: what one of them says, with what the others have in addition.
struct MemoryUnion {
    private let survivor: MemoryRecord
    private let others: [MemoryRecord]
    /// What all of them say; `nil` for the survivor's own text.
    private let text: String?

    /// Memories with the same text, type, namespace, user and session; the one that was accessed
    /// last survives.
    ///
    /// - Returns: `nil` if the memories are not equal.
    init?(ofEqual records: [MemoryRecord]) {
        let all = records.sorted { a, b in
            a.lastAccessed != b.lastAccessed
                ? a.lastAccessed > b.lastAccessed : ExactString(a.id) < ExactString(b.id)
        }
        guard let survivor = all.first, all.allSatisfy({ $0.isCopy(of: survivor) }) else { return nil }
        self.init(of: survivor, with: Array(all.dropFirst()), text: nil)
    }

    /// - Parameters:
    ///   - survivor: keeps its id.
    ///   - others: are removed; what they have comes after what the survivor has, in this order.
    ///   - text: of the union; `nil` for the survivor's.
    init(of survivor: MemoryRecord, with others: [MemoryRecord], text: String?) {
        self.survivor = survivor
        self.others = others
        self.text = text
    }

    /// The ids of all memories.
    var ids: [String] { [survivor.id] + others.map(\.id) }

    /// The ids that are removed, each with the one that stays.
    var successors: [ExactString: String] {
        Dictionary(others.map { (ExactString($0.id), survivor.id) }) { first, _ in first }
    }

    /// The ids of all memories, with the record that stays under the id; `nil` for those that are
    /// removed.
    func records(at now: Timestamp) throws -> [(id: String, record: MemoryRecord?)] {
        let all = [survivor] + others
        func texts(_ field: KeyPath<MemoryRecord, [String]>) -> JSONValue {
            .array(all.flatMap { $0[keyPath: field] }.exactlyDistinct().map(JSONValue.string))
        }
        var union = survivor.jsonObject
        func set(_ field: RecordField, _ value: JSONValue) { union[field.name] = value }
        set(.topics, texts(\.topics))
        set(.entities, texts(\.entities))
        set(.extractedFrom, texts(\.extractedFrom))
        set(.pinned, .bool(all.contains { $0.pinned }))
        set(.accessCount, .int(all.reduce(0) { $0.addingReportingOverflow($1.accessCount).partialValue }))
        set(.createdAt, .string((all.map(\.createdAt).min() ?? survivor.createdAt).iso8601))
        set(.lastAccessed, .string((all.map(\.lastAccessed).max() ?? survivor.lastAccessed).iso8601))
        set(.updatedAt, .string(now.iso8601))
        var metadata = survivor.metadata
        for (name, value) in others.flatMap(\.metadata.members)
        where metadata[name] == nil && metadata.members.count < MetadataCondition.maximumKeys {
            metadata[name] = value
        }
        set(.metadata, .object(metadata))
        if let date = all.lazy.compactMap(\.eventDate).first { set(.eventDate, .string(date.iso8601)) }
        if let date = all.compactMap(\.persistedAt).min() { set(.persistedAt, .string(date.iso8601)) }
        // The union stays as long as the longest of them.
        let ends = all.compactMap(\.expiresAt)
        union[RecordField.expiresAt.name] =
            ends.count == all.count ? ends.max().map { JSONValue.string($0.iso8601) } : JSONValue?.none
        var record = try MemoryRecord(json: .object(union), of: "a union of memories")
        if let text { record.apply(try RecordChanges(text: text)) }
        return [(survivor.id, record)] + others.map { ($0.id, nil) }
    }
}

extension MemoryRecord {
    /// Whether both belong to the same user, namespace and session; the absence of one is a value
    /// of its own.
    func sharesScope(with other: MemoryRecord) -> Bool {
        sharesOwner(with: other) && sessionID.map(ExactString.init) == other.sessionID.map(ExactString.init)
    }

    fileprivate func isCopy(of other: MemoryRecord) -> Bool {
        memoryHash == other.memoryHash && memoryType == other.memoryType && sharesScope(with: other)
            && ExactString(text) == ExactString(other.text)
    }
}
