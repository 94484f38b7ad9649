import AgentMemory
import RedisDriver

/// The models that made the vectors of a store, changed only by compare-and-set, and the analysis
/// that made its keywords: a hash next to the index.
struct EmbeddingSpaceRegistry: Sendable {
    struct Contents: Sendable, Equatable {
        /// The number of the next space.
        var next: Int
        var spaces: [RecordedSpace]
    }

    /// The value that was read, as the condition of a change.
    struct Reading: Sendable {
        /// `nil` if nothing is recorded.
        let contents: Contents?
        fileprivate let raw: String
    }

    /// Field of the hash: the names of all fields that have vectors, separated by blanks. Scripts
    /// that write a text read it.
    static let vectorFields = "fields"
    private static let spaces = "spaces"
    private static let analysisField = "analysis"
    private static let metadataField = "metadata"

    let key: String

    init(indexName: String) {
        // No colon: if the keys' prefix is the index's name, this is not a record.
        key = "\(indexName)_spaces"
    }

    func read(_ client: RedisClient) async throws -> Reading {
        let reply = try await client.pipeline([RedisCommand("HGET", key, Self.spaces)], isRead: true)[0]
        if case .error(let error) = reply, error.code == .wrongType {
            throw MemoryError(
                .misconfigured, "the key \(key) in Redis has a value of another program: choose another index name")
        }
        let raw = try reply.get().string ?? ""
        guard !raw.isEmpty else { return Reading(contents: nil, raw: "") }
        guard let value = try? JSONValue(parsing: raw), let contents = Contents(value) else {
            throw MemoryError(.misconfigured, "the key \(key) in Redis does not have the embedding models of the store")
        }
        return Reading(contents: contents, raw: raw)
    }

    /// - Returns: whether it is unchanged since it was read.
    func replace(_ reading: Reading, by contents: Contents, _ client: RedisClient) async throws -> Bool {
        let reply = try await client.evaluate(Self.replacement, keys: [key]) { command in
            command.append(Self.spaces)
            command.append(reading.raw)
            command.append(contents.json.jsonText)
            command.append(Self.vectorFields)
            command.append(contents.spaces.map(\.vectorField).joined(separator: " "))
        }
        return reply.integer == 1
    }

    /// Reads, computes the change, and writes, until no other writer interferes.
    ///
    /// - Parameter change: returns `nil` to leave everything as it is.
    /// - Returns: the recorded state.
    @discardableResult
    func update(
        _ client: RedisClient, _ change: (Contents?) async throws -> Contents?
    ) async throws -> Contents? {
        for _ in 0..<64 {
            let reading = try await read(client)
            guard let changed = try await change(reading.contents) else { return reading.contents }
            if try await replace(reading, by: changed, client) { return changed }
        }
        throw MemoryError(.storeUnavailable, "too many concurrent updates to the embedding models recorded in Redis")
    }

    /// The version of ``TextAnalyzer/Analysis`` that every record was analysed by at least.
    func analysis(_ client: RedisClient) async throws -> Int {
        let reply = try await client.send(RedisCommand("HGET", key, Self.analysisField), isRead: true)
        return reply.string.flatMap { Int($0) } ?? TextAnalyzer.Analysis.wholeRuns.rawValue
    }

    func setAnalysis(_ version: Int, _ client: RedisClient) async throws {
        try await client.send(RedisCommand("HSET", key, Self.analysisField, String(version)))
    }

    /// Whether every record that had metadata before this backend made terms of it has them.
    func hasMetadataTerms(_ client: RedisClient) async throws -> Bool {
        try await client.send(RedisCommand("HGET", key, Self.metadataField), isRead: true).string == "1"
    }

    func setMetadataTerms(_ client: RedisClient) async throws {
        try await client.send(RedisCommand("HSET", key, Self.metadataField, "1"))
    }

    /// ARGV: a field, its expected value (empty for an absent one), and its new value; then another
    /// field with its value.
    private static let replacement = RedisScript(
        """
        if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[3], ARGV[4], ARGV[5])
        return 1
        """)
}

extension EmbeddingSpaceRegistry.Contents {
    /// More than any store reaches, and few enough to be counted through.
    private static let numbers = 1...1_000_000

    fileprivate init?(_ value: JSONValue) {
        guard let next = value["next"]?.intValue, Self.numbers.contains(next), let list = value["spaces"]?.arrayValue
        else { return nil }
        self.next = next
        spaces = []
        for item in list {
            guard let number = item["number"]?.intValue, Self.numbers.contains(number),
                let dimensions = item["dimensions"]?.intValue, dimensions > 0
            else { return nil }
            let space = EmbeddingSpace(model: item["model"]?.stringValue, dimensions: dimensions)
            spaces.append(RecordedSpace(number: number, space: space, isReady: item["ready"] == .bool(true)))
        }
    }

    fileprivate var json: JSONValue {
        [
            "next": .number(JSONNumber(next)),
            "spaces": .array(
                spaces.map { recorded in
                    [
                        "number": .number(JSONNumber(recorded.number)),
                        "model": recorded.space.model.map { JSONValue.string($0) } ?? .null,
                        "dimensions": .number(JSONNumber(recorded.space.dimensions)), "ready": .bool(recorded.isReady),
                    ]
                }),
        ]
    }
}

extension RecordedSpace {
    /// The field of a record's hash for its vector.
    var vectorField: String { Self.vectorField(number) }

    /// The first is the reference's.
    static func vectorField(_ number: Int) -> String {
        number == 1 ? RecordHash.vector : "\(RecordHash.vector)_\(number)"
    }
}
