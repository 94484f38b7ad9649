import AgentMemory

/// The fields of a memory in a request, except its id. Unknown ones are ignored, as clients of
/// other versions send them.
struct RecordFields {
    let text: String?
    let persistedAt: Timestamp?
    let topics: [String]?
    let entities: [String]?
    let extractedFrom: [String]?
    private let reader: BodyReader
    private let sessionID: String?
    private let userID: String?
    private let namespace: String?
    private let memoryType: MemoryType?
    private let extraction: DiscreteExtraction?
    private let strategy: String?
    private let strategyConfig: JSONObject?
    private let metadata: JSONObject?
    private let pinned: Bool?
    private let accessCount: Int?
    private let createdAt: Timestamp?
    private let lastAccessed: Timestamp?
    private let updatedAt: Timestamp?
    private let eventDate: Timestamp?
    private let expiresAt: Timestamp?
    private let ttlSeconds: Int?

    /// - Parameter takesTTL: whether `ttl_seconds` may stand in place of `expires_at`. It counts
    ///   from the request: a session that is put again would change its memories.
    init(_ reader: BodyReader, takesTTL: Bool = false) {
        self.reader = reader
        text = reader.requiredString("text")
        sessionID = reader.string("session_id")
        userID = reader.string("user_id")
        namespace = reader.string("namespace")
        memoryType = reader.choice("memory_type", MemoryType.self)
        topics = reader.strings("topics")
        entities = reader.strings("entities")
        extractedFrom = reader.strings("extracted_from")
        extraction = reader.choice("discrete_memory_extracted", DiscreteExtraction.self)
        strategy = reader.string("extraction_strategy")
        strategyConfig = reader.dictionary("extraction_strategy_config")
        metadata = reader.dictionary("metadata")
        pinned = reader.bool("pinned")
        accessCount = reader.int("access_count", in: 0...Int(Int32.max))
        createdAt = reader.date("created_at")
        lastAccessed = reader.date("last_accessed")
        updatedAt = reader.date("updated_at")
        eventDate = reader.date("event_date")
        expiresAt = reader.date("expires_at")
        ttlSeconds = reader.int("ttl_seconds", in: 1...Self.longestTTL)
        if !takesTTL, let seconds = reader.member("ttl_seconds") {
            reader.note(
                "extra_forbidden", at: reader.location(of: "ttl_seconds"),
                "a memory of a session takes expires_at, not ttl_seconds", input: seconds)
        } else if expiresAt != nil, ttlSeconds != nil {
            reader.note(
                "value_error", at: reader.location(of: "ttl_seconds"),
                "Value error, ttl_seconds cannot be combined with expires_at", input: reader.member("ttl_seconds"))
        }
        persistedAt = reader.date("persisted_at")
        // Computed by the server: read only to check the type.
        _ = reader.string("memory_hash")
    }

    /// A thousand years, in seconds.
    private static let longestTTL = 31_557_600_000

    /// The record; `nil`, with an issue, if a value breaks a rule.
    ///
    /// - Parameters: the route's values for absent fields.
    func record(
        id: String, memoryType standardType: MemoryType, discreteMemoryExtracted: Bool, persistedAt: Timestamp?,
        now: Timestamp
    ) throws -> MemoryRecord? {
        try reader.make(echoing: true) { () throws(MemoryError) in
            try MemoryRecord(
                id: id, text: text ?? "", sessionID: sessionID, userID: userID, namespace: namespace,
                memoryType: memoryType ?? standardType, topics: topics ?? [], entities: entities ?? [],
                extractedFrom: extractedFrom ?? [],
                discreteMemoryExtracted: extraction.map { $0 == .done } ?? discreteMemoryExtracted,
                extractionStrategy: strategy, extractionStrategyConfig: strategyConfig ?? [:],
                metadata: metadata ?? [:], pinned: pinned ?? false, accessCount: accessCount ?? 0,
                createdAt: createdAt, lastAccessed: lastAccessed, updatedAt: updatedAt, persistedAt: persistedAt,
                eventDate: eventDate,
                expiresAt: expiresAt ?? ttlSeconds.map { now.advanced(bySeconds: Int64($0)) }, now: now)
        }
    }
}

/// The API's spelling of `discreteMemoryExtracted`.
enum DiscreteExtraction: String, CaseIterable {
    case done = "t"
    case due = "f"
}
