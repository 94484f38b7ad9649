public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    /// Reads, computes, and writes only what changed, on the condition that nothing it was computed from has changed
    /// meanwhile; otherwise once more. One script does all writes of a call, so they happen together or not at all.
    public func update(_ updates: [RecordUpdate]) async throws -> Int {
        guard !updates.isEmpty else { return 0 }
        var order: [String] = []
        var changes: [ExactString: [RecordChanges]] = [:]
        for update in updates {
            if changes[ExactString(update.id)] == nil { order.append(update.id) }
            changes[ExactString(update.id), default: []].append(update.changes)
        }
        var vectors: [ExactString: [Float]] = [:]
        // The attempts share the time of one call; embedding has a deadline of its own.
        var left = configuration.timeout.grown(records: updates.count)
        func timed<Answer: Sendable>(_ body: () async throws -> Answer) async throws -> Answer {
            guard left > .zero else {
                throw MemoryError(.timedOut, "the Redis server did not finish the update in time: try again")
            }
            let start = ContinuousClock.now
            defer { left -= ContinuousClock.now - start }
            return try await mappingErrors(within: left, body)
        }
        for _ in 0..<Self.attempts {
            try Task.checkCancellation()
            let stored = try await timed { try await client.pipeline(order.map(readCommand), isRead: true) }
            let ready = try await timed { try await keeper.existing(client) }
            var plans: [UpdatePlan] = []
            for (id, reply) in zip(order, stored) {
                let values = try await timed { try reply.hashFields() }
                if let plan = UpdatePlan(values, changes[ExactString(id)] ?? [], key: key(id)) { plans.append(plan) }
            }
            guard !plans.isEmpty else { return 0 }
            let texts = plans.compactMap(\.newText).filter { vectors[ExactString($0)] == nil }
            for (text, vector) in zip(texts, try await embedder.checkedEmbeddings(of: texts)) {
                vectors[ExactString(text)] = vector
            }
            for i in plans.indices {
                guard let text = plans[i].newText, let vector = vectors[ExactString(text)] else { continue }
                plans[i].setText(terms: terms(of: text), vector: vector, in: ready.vectorField)
            }
            let planned = plans
            switch try await timed({ try await write(planned) }) {
            case 1: return plans.count
            // Looked for again at the next attempt, which says what has become of it.
            case -1: keeper.lost(ready)
            default: break
            }
        }
        throw MemoryError(.storeUnavailable, "a record is being changed by too many at once: try again")
    }

    /// Each attempt fails only because another one succeeded.
    private static let attempts = 200

    /// - Returns: what the script answers.
    private func write(_ plans: [UpdatePlan]) async throws -> Int? {
        let reply = try await client.evaluate(UpdatePlan.script, keys: [finder.registry.key] + plans.map(\.key)) {
            command in
            for plan in plans { plan.append(to: &command) }
        }
        return reply.integer
    }
}
