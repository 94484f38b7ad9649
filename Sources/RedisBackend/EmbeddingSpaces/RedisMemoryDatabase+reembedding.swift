public import AgentMemory
import Logging
import RedisDriver

extension RedisMemoryDatabase: ReembeddableDatabase {
    /// The longest time that a new index may take to scan the records.
    private static let indexingLimit: Duration = .seconds(24 * 3600)

    public func beginReembedding() async throws -> [RecordedSpace] {
        finder.beginFilling()
        try await indexReembedded()
        return try await mappingErrors { try await finder.registry.read(client).contents?.spaces ?? [] }
    }

    public func reembeddingProgress() async throws -> ReembeddingProgress {
        try await reading { commands, ready in
            let replies = try await client.pipeline(
                [commands.count(QueryText()), commands.withoutVector(.init(limit: 0))], isRead: true)
            let total = try Self.total(replies[0])
            return ReembeddingProgress(done: max(0, total - (try Self.total(replies[1]))), total: total)
        }
    }

    public func embedMissing(from position: Int, limit: Int) async throws -> ReembeddingStep {
        let (field, keys, hashes) = try await reading { commands, ready in
            guard ready.findsMissingVectors else {
                throw MemoryError(
                    .misconfigured,
                    "the Redis index \(ready.name) was made by an older version, which cannot say which records lack a vector: "
                        + "drop it (FT.DROPINDEX \(ready.name)), and it is created again")
            }
            let window = SearchCommands.Window(offset: position, limit: limit)
            let found = try await client.send(commands.withoutVector(window), isRead: true).array ?? []
            let keys = found.dropFirst().compactMap(\.string)
            let texts = try await client.pipeline(keys.map { RedisCommand("HGET", $0, "text") }, isRead: true)
            return (ready.vectorField, keys, texts)
        }
        var texts: [(key: String, text: String)] = []
        for (key, reply) in zip(keys, hashes) {
            if let text = try? reply.get().string { texts.append((key, text)) }
        }
        let vectors = try await embedder.checkedEmbeddings(of: texts.map(\.text))
        let completions = zip(texts, vectors).map { record, vector in
            Self.completion(of: record.key, record.text, vector, field)
        }
        let embedded = try await mappingErrors {
            try await client.pipeline(completions).reduce(0) { $0 + (try $1.get().integer == 1 ? 1 : 0) }
        }
        // Embedded records are not missing any more: the ones after them have moved up.
        return ReembeddingStep(
            found: keys.count, embedded: embedded, position: position + keys.count - embedded,
            isLast: keys.count < limit)
    }

    public func indexReembedded() async throws {
        // Each look-up has the deadline of a call; waiting has none.
        do {
            _ = try await keeper.ready(client, patience: Self.indexingLimit)
        } catch let error as RedisError {
            throw error.memoryError
        }
    }

    public func finishReembedding() async throws {
        _ = try await mappingErrors {
            try await finder.registry.update(client) { known in
                guard let known, let own = known.spaces.first(where: { $0.space == finder.space }) else {
                    throw MemoryError(
                        .storeUnavailable,
                        "the vectors of \(finder.space) were removed meanwhile: run `agent-memory reembed` again")
                }
                return own.isReady ? nil : known.replacing(own.number, by: own.space, isReady: true)
            }
        }
    }

    public func dropOtherSpaces() async throws -> [EmbeddingSpace] {
        var dropped: [EmbeddingSpace] = []
        let kept = try await mappingErrors {
            try await finder.registry.update(client) { known in
                let spaces = known?.spaces ?? []
                guard let known, let own = spaces.first(where: { $0.space == finder.space }), own.isReady else {
                    throw spaces.refusal(of: finder.space)
                }
                dropped = spaces.filter { $0 != own }.map(\.space)
                return dropped.isEmpty ? nil : EmbeddingSpaceRegistry.Contents(next: known.next, spaces: [own])
            }
        }
        guard let kept, let own = kept.spaces.first else { return dropped }
        // All fields that ever existed: an interrupted call may have left some.
        var fields: [String] = []
        for number in 1..<kept.next where number != own.number {
            let isForeign = try await mappingErrors { try await finder.dropIndexes(of: number, client) }
            if isForeign {
                logger.notice(
                    "vectors that the index of another server covers are left in place",
                    metadata: ["field": "\(RecordedSpace.vectorField(number))"])
            } else {
                fields.append(RecordedSpace.vectorField(number))
            }
        }
        if !fields.isEmpty { try await removeFields(fields) }
        return dropped
    }

    /// Removes the fields from every record.
    private func removeFields(_ fields: [String]) async throws {
        var cursor = "0"
        repeat {
            cursor = try await mappingErrors {
                let (next, keys) = try await scannedKeys(from: cursor)
                _ = try await client.pipeline(keys.map { RedisCommand(["HDEL", $0] + fields) })
                return next
            }
        } while cursor != "0"
    }

    /// Stores the vector of a text next to the record if that still has the text, and returns 1;
    /// else leaves the record alone.
    private static func completion(of key: String, _ text: String, _ vector: [Float], _ field: String) -> RedisCommand {
        var command = RedisCommand("EVAL", completionScript, "1", key)
        command.append(text)
        command.append(field)
        command.append(bytes: RecordHash.bytes(of: vector))
        return command
    }

    private static let completionScript = """
        if redis.call('HGET', KEYS[1], 'text') ~= ARGV[1] then return 0 end
        if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return 0 end
        redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
        return 1
        """

    // MARK: Maintenance

    /// Makes the vectors that servers with other models, or the reference, have left out.
    func completeVectors() async throws {
        let ready = try await mappingErrors { try await keeper.ready(client) }
        guard ready.findsMissingVectors else { return }
        let completed = try await embedMissing(batchSize: 200)
        if completed > 0 {
            logger.info("embedded records of servers with another model", metadata: ["count": "\(completed)"])
        }
    }
}
