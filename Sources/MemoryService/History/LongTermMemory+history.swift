public import AgentMemory

extension LongTermMemory {
    /// The events of one memory that the caller may see, newest first, also if it is deleted.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history, and
    ///   `notFound` if the caller may see neither the memory nor an event of it.
    public func history(of id: String, page: PageRequest, for caller: Caller) async throws -> Page<MemoryEvent> {
        guard Self.canBeID(id) else { throw Self.notFound(id) }
        let memories = memories.scoped(to: caller)
        let events = try await memories.events(of: id, page: page)
        // A memory that is older than its events is there all the same.
        if events.total == 0, try await memories.record(id: id) == nil { throw Self.notFound(id) }
        return events
    }

    /// The first events after `sequence` that the caller may see, oldest first; at most `limit` of
    /// them, which is at least 1.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history.
    public func events(after sequence: Int, limit: Int, for caller: Caller) async throws -> [MemoryEvent] {
        try await memories.scoped(to: caller).events(after: sequence, limit: limit)
    }

    /// Brings a memory back to what it was right after an event, also one that is deleted, as a new
    /// event of the kind `restored`.
    ///
    /// - Parameters:
    ///   - id: of the memory.
    ///   - sequence: of an event of the memory; 0 is before the oldest event that is kept.
    ///   - caller: sees and writes only what it may.
    /// - Returns: the memory; `nil` if there was none at that time, and now there is none again.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history,
    ///   `notFound` if the caller may not see the event, and `conflict` if changes since then lie
    ///   outside of what the caller reaches, or come all the time.
    public func restore(id: String, to sequence: Int, for caller: Caller) async throws -> MemoryRecord? {
        guard Self.canBeID(id) else { throw Self.notFound(id) }
        try caller.require(.write)
        let memories = memories.scoped(to: caller)
        let origin = WriteOrigin(caller: caller.subject, kind: .restored)
        return try await WriteOrigin.$current.withValue(origin) {
            // Each attempt fails only because another write of the memory came in between.
            for _ in 0..<20 {
                let latest = try await memories.latestEvents(of: [id])[ExactString(id)] ?? 0
                let state = try await state(of: id, after: sequence, memories)
                let record = try state.map { try MemoryRecord(json: .object($0), of: "the history") }
                let rewrite = RecordRewrite(id: id, record: record, latestEvent: latest)
                let refused = try await MemoryError.tellingOutcome(.again) { try await memories.rewrite([rewrite]) }
                if refused.isEmpty { return record }
            }
            throw AccessScope.conflict
        }
    }

    /// The id of the memory that took the place of a removed one, as long as its history is kept;
    /// `nil` if there is none, or if it was removed too.
    func successor(of id: String, _ memories: ScopedMemories) async throws -> String? {
        guard memories.keepsHistory else { return nil }
        var id = id
        // Each step leads to a memory that was removed later.
        for _ in 0..<Self.mostSuccessors {
            let events = try await memories.events(of: id, page: PageRequest(limit: 1))
            guard let next = events.items.first?.successor else { return nil }
            if try await memories.record(id: next) != nil { return next }
            id = next
        }
        return nil
    }

    private static let mostSuccessors = 100

    /// The memory as it was right after an event.
    private func state(of id: String, after sequence: Int, _ memories: ScopedMemories) async throws -> JSONObject? {
        var state = try await memories.record(id: id)?.jsonObject
        var offset: Int? = 0
        var isKnown = false
        while let from = offset {
            let page = try await memories.events(of: id, page: PageRequest(limit: 1000, offset: from))
            isKnown = isKnown || page.total > 0
            for event in page.items {
                if event.sequence == sequence { return state }
                // The owner has changed since then, in an event that the caller may not see.
                if state == nil, event.before != nil, !event.isRemoval { throw AccessScope.conflict }
                state = event.undone(from: state)
            }
            offset = page.items.isEmpty ? nil : page.nextOffset
        }
        guard isKnown else { throw Self.notFound(id) }
        guard sequence == 0 else {
            throw MemoryError(.notFound, "the history of the memory has no event \(sequence)", path: [.key("to")])
        }
        return state
    }
}
