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

    /// The first events after `sequence` that the caller may see, oldest first.
    ///
    /// - Parameter limit: the largest number of events; at least 1.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history.
    public func events(after sequence: Int, limit: Int, for caller: Caller) async throws -> [MemoryEvent] {
        try await memories.scoped(to: caller).events(after: sequence, limit: limit)
    }

    /// Brings a memory back to what it was right after an event, also one that is deleted, as a new
    /// event of the kind `restored`.
    ///
    /// A write that comes between the reading of the events and this write is overwritten; its
    /// event tells what it was.
    ///
    /// - Parameter sequence: of an event of the memory; 0 is before the oldest event that is kept.
    /// - Returns: the memory; `nil` if there was none at that time, and now there is none again.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history,
    ///   `notFound` if the caller may not see the event, and `conflict` if changes since then lie
    ///   outside of what the caller reaches.
    public func restore(id: String, to sequence: Int, for caller: Caller) async throws -> MemoryRecord? {
        guard Self.canBeID(id) else { throw Self.notFound(id) }
        try caller.require(.write)
        let memories = memories.scoped(to: caller)
        var state = try await memories.record(id: id)?.jsonObject
        var offset: Int? = 0
        var isFound = false
        var isKnown = false
        while let from = offset, !isFound {
            let page = try await memories.events(of: id, page: PageRequest(limit: 1000, offset: from))
            isKnown = isKnown || page.total > 0
            for event in page.items where !isFound {
                isFound = event.sequence == sequence
                guard !isFound else { continue }
                // The owner has changed since then, in an event that the caller may not see.
                if state == nil, let before = event.before, before["id"] == nil { throw AccessScope.conflict }
                state = event.undone(from: state)
            }
            offset = page.items.isEmpty ? nil : page.nextOffset
        }
        guard isKnown else { throw Self.notFound(id) }
        guard isFound || sequence == 0 else {
            throw MemoryError(.notFound, "the history of the memory has no event \(sequence)", path: [.key("to")])
        }
        let origin = WriteOrigin(caller: caller.subject, kind: .restored)
        return try await WriteOrigin.$current.withValue(origin) {
            try await MemoryError.tellingOutcome(.again) {
                guard let state else {
                    _ = try await memories.delete([id])
                    return nil
                }
                let record = try MemoryRecord(json: .object(state), of: "the history")
                _ = try await memories.add([record])
                return record
            }
        }
    }
}
