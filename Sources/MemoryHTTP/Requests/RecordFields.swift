import AgentMemory

/// The fields of a memory in a request, but for its id. Unknown ones are ignored, as clients of other versions send them.
struct RecordFields {
    let text: String?
    let persistedAt: Timestamp?
    let topics: [String]?
    let entities: [String]?
    let extractedFrom: [String]?
    private let reader: ObjectReader
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

    init(_ reader: ObjectReader, _ issues: inout IssueList) {
        self.reader = reader
        text = reader.requiredString("text", &issues)
        sessionID = reader.string("session_id", &issues)
        userID = reader.string("user_id", &issues)
        namespace = reader.string("namespace", &issues)
        memoryType = reader.choice("memory_type", MemoryType.self, &issues)
        topics = reader.strings("topics", &issues)
        entities = reader.strings("entities", &issues)
        extractedFrom = reader.strings("extracted_from", &issues)
        extraction = reader.choice("discrete_memory_extracted", DiscreteExtraction.self, &issues)
        strategy = reader.string("extraction_strategy", &issues)
        strategyConfig = reader.dictionary("extraction_strategy_config", &issues)
        metadata = reader.dictionary("metadata", &issues)
        pinned = reader.bool("pinned", &issues)
        accessCount = reader.int("access_count", in: 0...Int(Int32.max), &issues)
        createdAt = reader.date("created_at", &issues)
        lastAccessed = reader.date("last_accessed", &issues)
        updatedAt = reader.date("updated_at", &issues)
        eventDate = reader.date("event_date", &issues)
        persistedAt = reader.date("persisted_at", &issues)
        // Computed by the server: read only so that a wrong type is told.
        _ = reader.string("memory_hash", &issues)
    }

    /// The record; `nil`, with an issue noted, where a value breaks a rule.
    ///
    /// - Parameters: what the route takes for fields that are absent.
    func record(
        id: String, memoryType standardType: MemoryType, discreteMemoryExtracted: Bool, persistedAt: Timestamp?,
        now: Timestamp, _ issues: inout IssueList
    ) throws -> MemoryRecord? {
        try issues.collect(at: reader.location, input: .object(reader.object)) { () throws(MemoryError) in
            try MemoryRecord(
                id: id, text: text ?? "", sessionID: sessionID, userID: userID, namespace: namespace,
                memoryType: memoryType ?? standardType, topics: topics ?? [], entities: entities ?? [],
                extractedFrom: extractedFrom ?? [],
                discreteMemoryExtracted: extraction.map { $0 == .done } ?? discreteMemoryExtracted,
                extractionStrategy: strategy, extractionStrategyConfig: strategyConfig ?? [:],
                metadata: metadata ?? [:], pinned: pinned ?? false, accessCount: accessCount ?? 0,
                createdAt: createdAt, lastAccessed: lastAccessed, updatedAt: updatedAt, persistedAt: persistedAt,
                eventDate: eventDate, now: now)
        }
    }
}

/// The wire's spelling of `discreteMemoryExtracted`.
enum DiscreteExtraction: String, CaseIterable {
    case done = "t"
    case due = "f"
}
