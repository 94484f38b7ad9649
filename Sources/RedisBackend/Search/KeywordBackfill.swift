import AgentMemory
import Logging
import RedisDriver

/// Gives records of the reference server the fields that only this backend writes: their keyword
/// terms, the terms of their metadata, and the exact form of ids with blanks at an end. The
/// reference keeps the old terms when it changes a record, so terms of recently updated records are
/// compared with what they were made from as well.
///
/// Several servers may run it at once, and records may change meanwhile: the script writes only if
/// the record still has the text that the words were taken from.
extension RedisMemoryDatabase {
    /// Completes records without terms until there are none left, and those updated since a date
    /// whose terms are outdated.
    ///
    /// - Returns: how many records were completed.
    @discardableResult
    func sweep(updatedSince date: Timestamp? = nil) async throws -> Int {
        var completed = 0
        var previous: [String] = []
        while true {
            let (keys, done) = try await complete { $0.withoutTerms(limit: Self.sweepSize) }
            completed += done
            // Another server may have completed them first, but hashes that come a second time
            // cannot be completed.
            guard keys.count == Self.sweepSize, keys != previous else { break }
            previous = keys
        }
        var offset = 0
        while let date {
            let (keys, done) = try await complete {
                $0.updated(since: date, SearchCommands.Window(offset: offset, limit: Self.sweepSize))
            }
            completed += done
            // A completed hash is indexed again and moves to the end.
            offset += keys.count - done
            guard keys.count == Self.sweepSize else { break }
        }
        if completed > 0 { logger.info("completed records of another server", metadata: ["count": "\(completed)"]) }
        return completed
    }

    private static let sweepSize = 200

    /// The fields that a completion needs.
    private static let completedFrom = [
        "text", "id_", RecordHash.keywordTerms, RecordHash.name(.metadata), RecordHash.metadataTerms,
    ]

    /// Completes one batch of hashes.
    private func complete(_ command: (SearchCommands) -> RedisCommand) async throws -> (keys: [String], completed: Int)
    {
        try await mappingErrors {
            let found = try await client.send(command(commands(try await keeper.ready(client))), isRead: true)
            let keys = found.array?.dropFirst().compactMap(\.string) ?? []
            let hashes = try await client.pipeline(
                keys.map { RedisCommand(["HMGET", $0] + Self.completedFrom) }, isRead: true)
            var batch: [RedisCommand] = []
            for (key, reply) in zip(keys, hashes) {
                let values = try reply.hashFields()
                guard values.count == Self.completedFrom.count else { continue }
                if let completion = completion(of: key, values) { batch.append(completion) }
            }
            return (keys, try await completed(batch))
        }
    }

    /// How many of these completions wrote something.
    private func completed(_ batch: [RedisCommand]) async throws -> Int {
        try await client.pipeline(batch).reduce(0) { $0 + (try $1.get().integer == 1 ? 1 : 0) }
    }

    /// `nil` if the terms are those of the text and of the metadata. A hash without a text gets no
    /// words, so that it is not found again.
    ///
    /// - Parameter keepsVectors: whether the text is known to be the one that the vectors were made
    ///   from.
    private func completion(of key: String, _ values: [RedisValue], keepsVectors: Bool = false) -> RedisCommand? {
        let terms = terms(of: values[0].string ?? "")
        let metadataTerms = RecordHash.terms(of: RecordHash.object(values[3].string))
        let hasTerms = values[2].string == terms
        let hasMetadataTerms = values[4].string ?? "" == metadataTerms
        if hasTerms, hasMetadataTerms { return nil }
        var command = RedisCommand(
            "EVAL", Self.completionScript, "2", key, finder.registry.key, keepsVectors || hasTerms ? "1" : "0")
        for (field, value) in zip(Self.completedFrom, values) where field != RecordHash.name(.id) {
            command.append(field)
            if case .bytes(let bytes) = value {
                command.append("1")
                command.append(bytes: bytes)
            } else {
                command.append("0")
                command.append("")
            }
        }
        command.append(RecordHash.keywordTerms)
        command.append(terms)
        if !hasMetadataTerms {
            command.append(RecordHash.metadataTerms)
            command.append(metadataTerms)
        }
        if let exact = values[1].string.flatMap(RecordHash.exactID) {
            command.append(RecordHash.exactID)
            command.append(exact)
        }
        return command
    }

    /// ARGV: whether to keep all vectors; four fields with whether they exist and their values, as
    /// conditions; then fields with values to write. If the reference has made or changed the text,
    /// with its own vector, vectors of other models and the bits of tokens may be outdated, and are
    /// made again.
    private static let completionScript = """
        if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
        for i = 2, 13, 3 do
          local now = redis.call('HGET', KEYS[1], ARGV[i])
          if ARGV[i + 1] == '1' then
            if now ~= ARGV[i + 2] then return 0 end
          elseif now then
            return 0
          end
        end
        local fields = {}
        for i = 14, #ARGV do fields[#fields + 1] = ARGV[i] end
        redis.call('HSET', KEYS[1], unpack(fields))
        if ARGV[1] == '1' then return 1 end
        redis.call('HDEL', KEYS[1], '\(RecordHash.tokenBits)')
        for field in string.gmatch(redis.call('HGET', KEYS[2], '\(EmbeddingSpaceRegistry.vectorFields)') or '', '%S+') do
          if field ~= '\(RecordHash.vector)' then redis.call('HDEL', KEYS[1], field) end
        end
        return 1
        """

    // MARK: Another version of the analyser

    /// Gives all records the terms of the current analysis and of their metadata, once a version:
    /// the store records which one all of its records have. Later records come with it, and those
    /// that an older server still writes are found by ``sweep(updatedSince:)``.
    ///
    /// - Returns: how many records were changed.
    @discardableResult
    func reanalyze() async throws -> Int {
        let current = TextAnalyzer.Analysis.current.rawValue
        let registry = finder.registry
        let isCurrent = try await mappingErrors {
            guard try await registry.analysis(client) >= current else { return false }
            return try await registry.hasMetadataTerms(client)
        }
        if isCurrent {
            reanalysis.finish()
            return 0
        }
        var remaining = try await count(.everything)
        reanalysis.report(remaining: remaining)
        var (changed, cursor) = (0, "0")
        repeat {
            let (next, keys, done) = try await reanalyze(from: cursor)
            changed += done
            remaining = max(1, remaining - keys)
            reanalysis.report(remaining: remaining)
            cursor = next
        } while cursor != "0"
        try await mappingErrors {
            try await registry.setAnalysis(current, client)
            try await registry.setMetadataTerms(client)
        }
        reanalysis.finish()
        if changed > 0 {
            logger.info("gave records the terms of this version", metadata: ["count": "\(changed)"])
        }
        return changed
    }

    /// One step of a walk through the keys.
    private func reanalyze(from cursor: String) async throws -> (next: String, keys: Int, changed: Int) {
        try await mappingErrors {
            let (next, keys) = try await scannedKeys(from: cursor)
            let hashes = try await client.pipeline(
                keys.map { RedisCommand(["HMGET", $0] + Self.completedFrom) }, isRead: true)
            var batch: [RedisCommand] = []
            for (key, reply) in zip(keys, hashes) {
                let values = try reply.hashFields()
                // A hash without terms is left to the sweep.
                guard values.count == Self.completedFrom.count, values[0].string != nil, values[2].string != nil else {
                    continue
                }
                if let completion = completion(of: key, values, keepsVectors: true) { batch.append(completion) }
            }
            return (next, keys.count, try await completed(batch))
        }
    }
}
