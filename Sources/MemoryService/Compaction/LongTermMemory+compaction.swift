public import AgentMemory

/// What a compaction has done.
public struct CompactionOutcome: Sendable, Equatable {
    /// How many memories were united with another one, and removed.
    public let merged: Int
    /// How many memories there are in the scope now.
    public let remaining: Int
    /// The operation that can be undone; `nil` if nothing was written.
    public let operation: String?
}

extension LongTermMemory {
    /// Unites memories with the same text and type, of the same namespace, user and session: the
    /// one that was accessed last stays, with the topics, entities and messages of all of them.
    ///
    /// All memories of the filter that the caller may see are read. A group that is changed
    /// meanwhile is left as it is.
    ///
    /// - Parameters:
    ///   - filter: limits the memories; it must have no condition on `created_at`.
    ///   - caller: sees and writes only what it may.
    ///   - goesOn: asked before each part of the work; what is done stays.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history.
    public func compact(
        _ filter: MemoryFilter, for caller: Caller, while goesOn: () async throws -> Bool = { true }
    ) async throws -> CompactionOutcome {
        try caller.require(.write)
        let memories = memories.scoped(to: caller)
        try memories.requireHistory()
        let origin = WriteOrigin(
            operation: WriteOrigin.current?.operation ?? ULID.make(), caller: caller.subject, kind: .merged,
            reason: "equal texts")
        var merged = 0
        for batch in try await groupsOfEqualTexts(filter, memories) {
            guard try await goesOn() else { break }
            merged += try await WriteOrigin.$current.withValue(origin) {
                try await MemoryError.tellingOutcome(.again) { try await unite(batch, memories) }
            }
        }
        return CompactionOutcome(
            merged: merged, remaining: try await memories.count(filter),
            operation: merged > 0 && memories.makesEvents ? origin.operation : nil)
    }

    /// The ids of each group, in batches of groups.
    private func groupsOfEqualTexts(_ filter: MemoryFilter, _ memories: ScopedMemories) async throws -> [[[String]]] {
        var first: [String: String] = [:]
        var groups: [String: [String]] = [:]
        try await memories.forEachPage(of: filter) { records in
            for record in records {
                if let other = first[record.memoryHash] {
                    groups[record.memoryHash, default: [other]].append(record.id)
                } else {
                    first[record.memoryHash] = record.id
                }
            }
        }
        var batches: [[[String]]] = []
        for group in groups.sorted(by: { $0.key < $1.key }).map(\.value) {
            if let last = batches.last, last.reduce(group.count, { $0 + $1.count }) <= 200 {
                batches[batches.count - 1].append(group)
            } else {
                batches.append([group])
            }
        }
        return batches
    }

    /// - Returns: how many memories were removed.
    private func unite(_ groups: [[String]], _ memories: ScopedMemories) async throws -> Int {
        let ids = groups.flatMap(\.self)
        let now = now()
        let latest = try await memories.latestEvents(of: ids)
        var current: [ExactString: MemoryRecord] = [:]
        for record in try await memories.stored(.id, ids) { current[ExactString(record.id)] = record }
        var unions: [[RecordRewrite]] = []
        for group in groups {
            let records = group.compactMap { current[ExactString($0)] }
            guard records.count > 1, let union = MemoryUnion(of: records) else { continue }
            unions.append(
                try union.records(at: now).map { id, record in
                    RecordRewrite(id: id, record: record, latestEvent: latest[ExactString(id)] ?? 0)
                })
        }
        while !unions.isEmpty {
            let refused = Set(try await memories.rewrite(unions.flatMap(\.self)).map(ExactString.init))
            if refused.isEmpty { return unions.reduce(0) { $0 + $1.count - 1 } }
            unions.removeAll { union in union.contains { refused.contains(ExactString($0.id)) } }
        }
        return 0
    }
}

/// Memories with the same text, type, namespace, user and session, as one.
struct MemoryUnion {
    private let survivor: MemoryRecord
    /// The survivor first, then by the last access.
    private let all: [MemoryRecord]

    /// - Returns: `nil` if the memories are not equal.
    init?(of records: [MemoryRecord]) {
        all = records.sorted { a, b in
            a.lastAccessed != b.lastAccessed
                ? a.lastAccessed > b.lastAccessed : ExactString(a.id) < ExactString(b.id)
        }
        guard let survivor = all.first, all.allSatisfy({ $0.isCopy(of: survivor) }) else { return nil }
        self.survivor = survivor
    }

    /// The ids of all memories, with the record that stays under the id; `nil` for those that are
    /// removed.
    func records(at now: Timestamp) throws -> [(id: String, record: MemoryRecord?)] {
        var union = survivor.jsonObject
        func set(_ field: RecordField, _ value: JSONValue) { union[field.name] = value }
        set(.topics, texts(\.topics))
        set(.entities, texts(\.entities))
        set(.extractedFrom, texts(\.extractedFrom))
        set(.pinned, .bool(all.contains { $0.pinned }))
        set(.accessCount, .int(all.reduce(0) { $0.addingReportingOverflow($1.accessCount).partialValue }))
        set(.createdAt, .string((all.map(\.createdAt).min() ?? survivor.createdAt).iso8601))
        set(.updatedAt, .string(now.iso8601))
        var metadata = survivor.metadata
        for (name, value) in all.flatMap(\.metadata.members) where metadata[name] == nil { metadata[name] = value }
        set(.metadata, .object(metadata))
        if let date = all.lazy.compactMap(\.eventDate).first { set(.eventDate, .string(date.iso8601)) }
        if let date = all.compactMap(\.persistedAt).min() { set(.persistedAt, .string(date.iso8601)) }
        let record = try MemoryRecord(json: .object(union), of: "a union of memories")
        return all.map { ($0.id, $0.id == survivor.id ? record : nil) }
    }

    private func texts(_ field: KeyPath<MemoryRecord, [String]>) -> JSONValue {
        .array(all.flatMap { $0[keyPath: field] }.exactlyDistinct().map(JSONValue.string))
    }
}

extension MemoryRecord {
    fileprivate func isCopy(of other: MemoryRecord) -> Bool {
        memoryHash == other.memoryHash && memoryType == other.memoryType && sharesOwner(with: other)
            && sessionID.map(ExactString.init) == other.sessionID.map(ExactString.init)
            && ExactString(text) == ExactString(other.text)
    }
}
