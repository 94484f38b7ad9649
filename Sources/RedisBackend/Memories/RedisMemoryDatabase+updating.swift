public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    /// Reads, computes, and writes only the changes, on the condition that the values they were
    /// computed from have not changed meanwhile; otherwise it repeats. One script does all writes
    /// of a call, so all take effect or none.
    public func update(_ updates: [RecordUpdate], within scope: AccessScope) async throws -> Int {
        let ids = updates.map(\.id).exactlyDistinct()
        var vectors = TextVectors()
        // The attempts share the time of one call; embedding has a deadline of its own.
        var left = database.timeout.grown(records: updates.count)
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
            let replies = try await timed { try await client.pipeline(ids.map(readCommand), isRead: true) }
            let ready = try await timed { try await keeper.existing(client) }
            var hashes: [ExactString: [RedisValue]] = [:]
            for (id, reply) in zip(ids, replies) {
                hashes[ExactString(id)] = try await timed { try reply.hashFields() }
            }
            let fold = UpdateFold(updates) { id in
                guard let record = hashes[ExactString(id)].flatMap(RecordHash.record) else { return nil }
                return scope.contains(record) ? record : nil
            }
            try fold.checkRules()
            guard !fold.changes.isEmpty else { return 0 }
            try await vectors.embed(fold.textsToEmbed(besides: vectors), by: embedder)
            var plans: [UpdatePlan] = []
            for change in fold.changes {
                // A hash of the reference may have another id than its key.
                let id = change.id
                var plan = UpdatePlan(
                    change, hashes[ExactString(id)] ?? [], key: key(id), guardsOwner: !scope.isEverything)
                if let text = plan.newText, let encoding = vectors.encoding(of: text) {
                    plan.setText(terms: terms(of: text), encoding: encoding, in: ready.vectorField)
                }
                plans.append(plan)
            }
            let planned = plans
            switch try await timed({ try await write(planned) }) {
            case 1: return plans.count
            // The next attempt looks for it again, and finds out its state.
            case -1: keeper.lost(ready)
            default: break
            }
        }
        throw MemoryError(.storeUnavailable, "too many concurrent updates to one record: try again")
    }

    /// An attempt fails only if another one succeeded.
    private static let attempts = 200

    /// - Returns: the result of the script.
    private func write(_ plans: [UpdatePlan]) async throws -> Int? {
        let keys = [finder.registry.key, eventsKey] + plans.map(\.key)
        let reply = try await client.evaluate(UpdatePlan.script, keys: keys) { command in
            command.append(origin)
            for plan in plans { plan.append(to: &command) }
        }
        return reply.integer
    }
}
