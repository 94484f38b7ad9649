public import AgentMemory

extension LongTermMemory {
    /// Takes back all changes of one operation that the caller may see, as new events of the kind
    /// `restored`.
    ///
    /// Each memory is written on the condition that its last event is one of the operation: a later
    /// change is never overwritten.
    ///
    /// - Parameters:
    ///   - operation: as its events have it.
    ///   - isForced: whether memories with later changes are left as they are; otherwise one of
    ///     them prevents the undo.
    ///   - caller: sees and writes only what it may.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history,
    ///   `notFound` if the caller may see no event of the operation, and `conflict` with the ids
    ///   that have later changes.
    public func undo(operation: String, isForced: Bool, for caller: Caller) async throws -> UndoOutcome {
        try caller.require(.write)
        guard Self.canBeID(operation) else { throw OperationUndo.notFound(operation) }
        let origin = WriteOrigin(caller: caller.subject, kind: .restored, reason: "undo of \(operation)")
        var undo = OperationUndo(memories: memories.scoped(to: caller), operation: operation, isForced: isForced)
        try await undo.prepare()
        return try await WriteOrigin.$current.withValue(origin) {
            try await undo.run()
            return UndoOutcome(operation: origin.operation, undone: undo.undone, skipped: undo.skipped)
        }
    }
}

/// What an undo has done.
public struct UndoOutcome: Sendable, Equatable {
    /// The operation of the undo itself, which can be undone too.
    public let operation: String
    /// How many memories are as they were before the operation.
    public let undone: Int
    /// The ids that were changed after the operation, and were left as they are.
    public let skipped: [String]
}

/// Takes back the changes of an operation, in batches that a store takes in one write.
private struct OperationUndo {
    /// What the operation did to one memory.
    private struct Changes {
        /// How many events it made.
        let count: Int
        /// The number of the last one.
        let last: Int
    }

    let memories: ScopedMemories
    let operation: String
    let isForced: Bool
    private(set) var undone = 0
    private(set) var skipped: [String] = []
    private var changes: [ExactString: Changes] = [:]

    init(memories: ScopedMemories, operation: String, isForced: Bool) {
        self.memories = memories
        self.operation = operation
        self.isForced = isForced
    }

    static func notFound(_ operation: String) -> MemoryError {
        MemoryError(.notFound, "Operation \(operation) not found")
    }

    /// Finds what the operation changed, and what was changed after it.
    mutating func prepare() async throws {
        var last: Int? = 0
        while let after = last {
            let events = try await events(after: after)
            for event in events {
                let earlier = changes[ExactString(event.id)]?.count ?? 0
                changes[ExactString(event.id)] = Changes(count: earlier + 1, last: event.sequence)
            }
            last = events.count == Self.eventsPerRead ? events.last?.sequence : nil
        }
        guard !changes.isEmpty else { throw Self.notFound(operation) }
        let ids = changes.keys.sorted().map(\.value)
        for start in stride(from: 0, to: ids.count, by: Self.eventsPerRead) {
            let slice = Array(ids[start..<min(start + Self.eventsPerRead, ids.count)])
            let latest = try await memories.latestEvents(of: slice)
            skip(slice.filter { latest[ExactString($0)] != changes[ExactString($0)]?.last })
        }
        try refuseSkipped()
    }

    mutating func run() async throws {
        var incomplete: [ExactString: [MemoryEvent]] = [:]
        var last: Int? = 0
        while let after = last {
            let events = try await events(after: after)
            var complete: [(id: String, events: [MemoryEvent])] = []
            for event in events {
                let id = ExactString(event.id)
                guard let count = changes[id]?.count else { continue }
                let own = incomplete.removeValue(forKey: id) ?? []
                if own.count + 1 == count {
                    complete.append((event.id, own + [event]))
                } else {
                    incomplete[id] = own + [event]
                }
            }
            if !complete.isEmpty { try await undo(complete) }
            last = events.count == Self.eventsPerRead ? events.last?.sequence : nil
        }
    }

    private mutating func undo(_ batch: [(id: String, events: [MemoryEvent])]) async throws {
        var current: [ExactString: MemoryRecord] = [:]
        for record in try await memories.stored(.id, batch.map(\.id)) { current[ExactString(record.id)] = record }
        var rewrites: [RecordRewrite] = []
        for (id, events) in batch {
            let record = current[ExactString(id)]
            // Otherwise there was a change without an event.
            guard let final = events.last, final.isRemoval == (record == nil) else {
                skip([id])
                try refuseSkipped()
                continue
            }
            let state = events.reversed().reduce(record?.jsonObject) { $1.undone(from: $0) }
            rewrites.append(
                RecordRewrite(
                    id: id, record: try state.map { try MemoryRecord(json: .object($0), of: "the history") },
                    latestEvent: final.sequence))
        }
        var refused: [String] = []
        repeat {
            refused = try await MemoryError.tellingOutcome(.again) { [rewrites] in try await memories.rewrite(rewrites)
            }
            skip(refused)
            try refuseSkipped()
            let isRefused = Set(refused.map(ExactString.init))
            rewrites.removeAll { isRefused.contains(ExactString($0.id)) }
        } while !refused.isEmpty && !rewrites.isEmpty
        undone += rewrites.count
    }

    private func events(after last: Int) async throws -> [MemoryEvent] {
        try await memories.events(ofOperation: operation, after: last, limit: Self.eventsPerRead)
    }

    private mutating func skip(_ ids: [String]) {
        for id in ids { changes[ExactString(id)] = nil }
        skipped += ids
    }

    private func refuseSkipped() throws {
        guard !isForced, !skipped.isEmpty else { return }
        let named = skipped.prefix(20).joined(separator: ", ")
        let more = skipped.count > 20 ? " and \(skipped.count - 20) more" : ""
        let done = undone > 0 ? " (\(undone) memories were undone before)" : ""
        throw MemoryError(
            .conflict, "changed after the operation: \(named)\(more)\(done); \"force\" undoes the other memories")
    }

    private static let eventsPerRead = 500
}
