public import AgentMemory

extension LongTermMemory {
    /// Takes back all changes of one operation that the caller may see, as new events of the kind
    /// `restored`.
    ///
    /// Each memory is written on the condition that its last event is one of the operation: a later
    /// change is never overwritten. Later changes that were taken back themselves do not count, for
    /// a caller that sees all of them: so operations can be undone one after the other, the last
    /// one first. An undo that was interrupted is completed by the same undo.
    ///
    /// - Parameters:
    ///   - operation: as its events have it.
    ///   - isForced: whether memories with later changes are left as they are; otherwise one of
    ///     them prevents the undo.
    ///   - caller: sees and writes only what it may.
    ///   - beforeBatch: called before each batch, if there may be several.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history,
    ///   `notFound` if the caller may see no event of the operation, and `conflict` with the ids
    ///   that have later changes.
    public func undo(
        operation: String, isForced: Bool, for caller: Caller, beforeBatch: () async throws -> Void = {}
    ) async throws -> UndoOutcome {
        try caller.require(.write)
        guard Self.canBeID(operation) else { throw OperationUndo.notFound(operation) }
        let origin = WriteOrigin(
            operation: WriteOrigin.current?.operation ?? ULID.make(), caller: caller.subject, kind: .restored,
            reason: OperationUndo.reason(operation))
        var undo = OperationUndo(
            memories: memories.scoped(to: caller), operation: operation, isForced: isForced,
            seesAll: caller.reachesEverything)
        try await undo.prepare()
        return try await WriteOrigin.$current.withValue(origin) {
            try await undo.run(beforeBatch: beforeBatch)
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
        /// The number of the latest event of the memory, after which it is as after ``last``.
        var latest: Int
    }

    let memories: ScopedMemories
    let operation: String
    let isForced: Bool
    let seesAll: Bool
    private(set) var undone = 0
    /// The reason of the undo's events.
    private let reason: String
    private(set) var skipped: [String] = []
    private var changes: [ExactString: Changes] = [:]

    init(memories: ScopedMemories, operation: String, isForced: Bool, seesAll: Bool) {
        self.memories = memories
        self.operation = operation
        self.isForced = isForced
        self.seesAll = seesAll
        reason = Self.reason(operation)
    }

    static func reason(_ operation: String) -> String { "undo of \(operation)" }

    static func notFound(_ operation: String) -> MemoryError {
        MemoryError(.notFound, "Operation \(operation) not found")
    }

    /// Finds what the operation changed, and what was changed after it.
    mutating func prepare() async throws {
        var last: Int? = 0
        while let after = last {
            let events = try await events(after: after)
            for event in events {
                guard event.kind != .erased else {
                    throw MemoryError(.invalidCombination, "an erasure cannot be undone")
                }
                let earlier = changes[ExactString(event.id)]?.count ?? 0
                changes[ExactString(event.id)] = Changes(
                    count: earlier + 1, last: event.sequence, latest: event.sequence)
            }
            last = events.count == Self.eventsPerRead ? events.last?.sequence : nil
        }
        guard !changes.isEmpty else { throw Self.notFound(operation) }
        let ids = changes.keys.sorted().map(\.value)
        for start in stride(from: 0, to: ids.count, by: Self.eventsPerRead) {
            let slice = Array(ids[start..<min(start + Self.eventsPerRead, ids.count)])
            let latest = try await memories.latestEvents(of: slice)
            for id in slice {
                let key = ExactString(id)
                guard let last = changes[key]?.last, latest[key] != last else { continue }
                switch try await later(than: last, of: id) {
                case .undo:
                    changes[key] = nil
                    undone += 1
                case .takenBack: changes[key]?.latest = latest[key] ?? last
                case .changes: skip([id])
                }
            }
        }
        try refuseSkipped()
    }

    /// What happened to a memory after an operation.
    private enum Later {
        /// It was undone, by a call that did not come to its end.
        case undo
        /// All changes have led back to where the memory was.
        case takenBack
        case changes
    }

    private func later(than sequence: Int, of id: String) async throws -> Later {
        let last = try await memories.events(of: id, page: PageRequest(limit: 1)).items.first
        if let last, last.kind == .restored, last.reason == reason,
            try await memories.latestEvents(of: [id])[ExactString(id)] == last.sequence
        {
            return .undo
        }
        return try await areTakenBack(id, after: sequence) ? .takenBack : .changes
    }

    /// Whether all changes of a memory after an event have led back to where it was then.
    private func areTakenBack(_ id: String, after sequence: Int) async throws -> Bool {
        guard seesAll else { return false }
        let current = try await memories.record(id: id)
        var state = current?.jsonObject
        var offset: Int? = 0
        while let from = offset {
            let page = try await memories.events(of: id, page: PageRequest(limit: Self.eventsPerRead, offset: from))
            for event in page.items {
                if event.sequence <= sequence { return try Self.areEqual(state, current) }
                if state == nil, event.before != nil, !event.isRemoval { return false }
                state = event.undone(from: state)
            }
            offset = page.items.isEmpty ? nil : page.nextOffset
        }
        return false
    }

    /// Except the statistics of accesses.
    private static func areEqual(_ state: JSONObject?, _ current: MemoryRecord?) throws -> Bool {
        guard let state, let current else { return state == nil && current == nil }
        let record = try MemoryRecord(json: .object(state), of: "the history")
        return record.fieldsBeforeChange(to: current) == nil
    }

    mutating func run(beforeBatch: () async throws -> Void) async throws {
        var incomplete: [ExactString: [MemoryEvent]] = [:]
        var last: Int? = 0
        while let after = last {
            let events = try await events(after: after)
            let isOnly = after == 0 && events.count < Self.eventsPerRead
            if !isOnly { try await beforeBatch() }
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
                    latestEvent: changes[ExactString(id)]?.latest ?? final.sequence))
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
