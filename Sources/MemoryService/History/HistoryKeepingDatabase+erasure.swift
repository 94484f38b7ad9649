public import AgentMemory

extension HistoryKeepingDatabase: ErasableDatabase {
    /// The position of a step that has not come to the events; later ones are their numbers.
    private static let records = "records"
    private static let recordsPerStep = 500

    public func erase(_ scope: ErasureScope, from position: String?) async throws -> ErasureStep {
        try await AccessScope.everything.limiting {
            guard let position, position != Self.records else { return try await self.eraseRecords(scope) }
            let erased = try await self.events.eraseEvents(within: scope, after: Int(position) ?? 0)
            let stored = try await self.stored(erased.ids)
            try await self.deletions.removeNotes(of: erased.ids.filter { stored[ExactString($0)] == nil })
            return ErasureStep(events: erased.removed, next: erased.last.map { String($0) })
        }
    }

    private func eraseRecords(_ scope: ErasureScope) async throws -> ErasureStep {
        let page = ListQuery(filter: try scope.filter(), page: try PageRequest(limit: Self.recordsPerStep))
        let ids = try await database.list(page).items.map(\.id)
        guard !ids.isEmpty else {
            // One that was under way when the erasure began may still make events of the scope.
            try await awaitWrites(.noted)
            return ErasureStep(next: "0")
        }
        let (memories, removed) = try await write(ids) { found in
            let doomed = ids.filter { id in found.records[ExactString(id)].map { scope.contains($0) } ?? false }
            guard !doomed.isEmpty else { return .answer((0, 0)) }
            return .write([], kind: .erased) {
                // Events first: after a crash in between, the record is found again by the filter.
                let removed = try await self.events.eraseEvents(of: doomed, within: scope)
                let memories = try await self.database.delete(doomed)
                guard memories > 0 else {
                    throw MemoryError(.internalError, "the backend \(self.name) does not remove what it lists")
                }
                try await self.deletions.removeNotes(of: doomed)
                return (memories, removed)
            }
        }
        return ErasureStep(memories: memories, events: removed, next: Self.records)
    }

    public func noteErasure(_ id: String) async throws {
        guard makesEvents else { return }
        let event = NewEvent(erasure: id, by: .current)
        try await AccessScope.everything.limiting { try await events.append([event]) }
    }
}
