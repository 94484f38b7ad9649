public import AgentMemory
import RedisDriver
import Synchronization

extension RedisMemoryDatabase {
    public func add(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        let given = RecordBatch(records)
        let kept = given.records
        async let embedded = embedder.checkedEncodings(of: kept.map(\.text))
        // Meanwhile, because the texts may be with a service.
        let words = kept.map { terms(of: $0.text) }
        let encodings = try await embedded
        // Only a script sees what it replaces.
        guard scope.isEverything, configuration.history == .off else {
            try await add(kept, words, encodings, within: scope)
            return given.givenIDs
        }
        try await writing(records: kept.count) { field, probe in
            var commands: [RedisCommand] = []
            commands.reserveCapacity(kept.count * 2)
            for i in kept.indices {
                let key = key(kept[i].id)
                // Fields that the new record does not have would stay otherwise, vectors of other
                // models among them.
                commands.append(RedisCommand("DEL", key))
                commands.append(
                    RecordHash.write(kept[i], terms: words[i], encoding: encodings[i], in: field, key: key))
            }
            let (replies, following) = try await client.transaction(commands, following: [probe])
            for reply in replies { _ = try reply.get() }
            return following[0]
        }
        return given.givenIDs
    }

    /// One script looks what it replaces and whose that is, and writes.
    private func add(
        _ records: [MemoryRecord], _ words: [String], _ encodings: [TextEncoding], within scope: AccessScope
    ) async throws {
        let isRefused = Mutex(false)
        try await writing(records: records.count) { field, probe in
            let reply = try await client.evaluate(RecordScripts.add, keys: records.map { key($0.id) }) { command in
                command.append(OwnerScript.argument(scope))
                for i in records.indices {
                    command.append(
                        bytes: RecordHash.packed(records[i], terms: words[i], encoding: encodings[i], in: field))
                }
                appendOrigin(to: &command)
            }
            guard let answer = reply.integer else { throw RecordScripts.unknownAnswer }
            isRefused.withLock { $0 = answer == 0 }
            return try await client.pipeline([probe], isRead: true)[0]
        }
        if isRefused.withLock(\.self) { throw AccessScope.conflict }
    }

    public func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        let given = RecordBatch(records)
        let encodings = try await embedder.checkedEncodings(of: given.records.map(\.text))
        let embedded = Dictionary(zip(given.records.map { ExactString($0.id) }, encodings)) { first, _ in first }
        // After the embedding, so that claims need to last only for this check and the write.
        let kept = try await withoutStoredDuplicates(given)
        guard !kept.isEmpty else { return [] }
        let words = kept.map { terms(of: $0.text) }
        let keys = kept.flatMap { [key($0.id), claimKey($0.memoryHash)] }
        let lasting = Int(max(.seconds(60), database.timeout * 6) / .milliseconds(1))
        let outcomes = Mutex<[Int]>([])
        try await writing(records: kept.count) { field, probe in
            let reply = try await client.evaluate(RecordScripts.addDistinct, keys: keys) { command in
                command.append(lasting)
                for (i, record) in kept.enumerated() {
                    let encoding = embedded[ExactString(record.id)] ?? TextEncoding(vector: [])
                    command.append(record.memoryHash)
                    command.append(
                        bytes: RecordHash.packed(record, terms: words[i], encoding: encoding, in: field))
                }
                command.append(OwnerScript.argument(scope))
                appendOrigin(to: &command)
            }
            let answers = reply.array?.compactMap(\.integer) ?? []
            if answers == [-1] { throw AccessScope.conflict }
            guard answers.count == kept.count else { throw RecordScripts.unknownAnswer }
            outcomes.withLock { $0 = answers }
            return try await client.pipeline([probe], isRead: true)[0]
        }
        return zip(kept, outcomes.withLock(\.self)).filter { $0.1 == 1 }.map(\.0.id)
    }

    /// Without the duplicates of records in the index.
    private func withoutStoredDuplicates(_ given: RecordBatch) async throws -> [MemoryRecord] {
        let keys = given.records.map { key($0.id) }
        let existing = try await mappingErrors {
            try await client.pipeline(keys.map { RedisCommand("EXISTS", $0) }, isRead: true).map {
                try $0.get().integer
            }
        }
        let stored = zip(given.records, existing).filter { $0.1 == 1 }.map { ExactString($0.0.id) }
        var holders: [(id: String, memoryHash: String)] = []
        let hashes = given.memoryHashes
        for start in stride(from: 0, to: hashes.count, by: Self.hashesPerQuery) {
            let slice = Array(hashes[start..<min(start + Self.hashesPerQuery, hashes.count)])
            let filter = MemoryFilter(tags: [.memoryHash: try TagCondition(field: .memoryHash, any: slice)])
            var offset: Int? = 0
            while let from = offset {
                let page = try await list(
                    ListQuery(filter: filter, page: try PageRequest(limit: PageRequest.maximumLimit, offset: from)))
                holders += page.items.map { (id: $0.id, memoryHash: $0.memoryHash) }
                offset = page.nextOffset
            }
        }
        return given.withoutDuplicates(storedIDs: Set(stored), holders: holders)
    }

    private static let hashesPerQuery = 500

    public func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome] {
        var encodings: [ExactString: TextEncoding] = [:]
        while true {
            let known = encodings
            let (isDone, outcomes) = try await promote(records, handedInAt, known)
            if isDone { return outcomes }
            let missing = zip(records, outcomes).filter { $0.1 == .stored && known[ExactString($0.0.id)] == nil }
                .map(\.0)
            for (record, encoding) in zip(missing, try await embedder.checkedEncodings(of: missing.map(\.text))) {
                encodings[ExactString(record.id)] = encoding
            }
        }
    }

    /// - Returns: the current outcomes. If a record to be stored has no vector here, nothing was
    ///   written.
    private func promote(
        _ records: [MemoryRecord], _ handedInAt: Timestamp, _ encodings: [ExactString: TextEncoding]
    ) async throws -> (isDone: Bool, outcomes: [PromotionOutcome]) {
        let words = records.map { encodings[ExactString($0.id)] == nil ? "" : terms(of: $0.text) }
        let keys = [deletionsKey] + records.map { key($0.id) }
        let answer = Mutex<[RedisValue]>([])
        try await writing(records: records.count) { field, probe in
            let reply = try await client.evaluate(RecordScripts.promote, keys: keys) { command in
                command.append(String(handedInAt.microseconds))
                for (i, record) in records.enumerated() {
                    command.append(record.id)
                    command.append(record.userID ?? "")
                    command.append(record.namespace ?? "")
                    let encoding = encodings[ExactString(record.id)]
                    command.append(
                        bytes: encoding.map {
                            RecordHash.packed(record, terms: words[i], encoding: $0, in: field)
                        } ?? [])
                }
                appendOrigin(to: &command)
            }
            let parts = reply.array ?? []
            guard parts.count == records.count + 1 else { throw RecordScripts.unknownAnswer }
            answer.withLock { $0 = parts }
            return try await client.pipeline([probe], isRead: true)[0]
        }
        let parts = answer.withLock(\.self)
        return (parts[0].integer == 1, try parts.dropFirst().map(RecordScripts.outcome))
    }

    public func delete(_ ids: [String], within scope: AccessScope) async throws -> Int {
        let ids = ids.exactlyDistinct()
        let script = scope.isEverything ? DeletionScripts.delete : DeletionScripts.deleteOwned
        return try await mappingErrors(within: database.timeout.grown(records: ids.count)) {
            let reply = try await client.evaluate(script, keys: [deletionsKey] + ids.map(key)) { command in
                if !scope.isEverything { command.append(OwnerScript.argument(scope)) }
                command.append(ids)
                appendOrigin(to: &command)
            }
            guard let removed = reply.integer else {
                throw MemoryError(.internalError, "the Redis server sent an unknown reply to a delete")
            }
            return removed
        }
    }

    /// The last arguments of scripts that write events.
    func appendOrigin(to command: inout RedisCommand) {
        command.append(eventsKey)
        command.append(origin)
    }

    /// The words of a text in the form of the hash.
    func terms(of text: String) -> String {
        analyzer.words(in: text).joined(separator: " ")
    }

    /// Runs a write and ensures that the index exists when it returns: a server that restarted
    /// empty accepts writes without one. The body gets the field for vectors, and returns the reply
    /// of the probe, which it sends after its own commands.
    ///
    /// - Parameter records: how many are written; the deadline grows with them.
    func writing(
        records: Int, _ body: @Sendable (String, RedisCommand) async throws -> RedisValue
    ) async throws {
        try await mappingErrors(within: database.timeout.grown(records: records)) {
            let ready = try await keeper.existing(client)
            let probed = try await body(ready.vectorField, commands(ready).probe)
            do {
                _ = try probed.get()
                if keeper.stands(ready) { return }
            } catch let error as RedisError where error.saysIndexIsMissing {
                keeper.lost(ready)
            }
            // The new index finds the hashes by itself; reads wait until it has.
            _ = try await keeper.existing(client)
        }
    }
}
