/// One long-term memory: a text, its owner, its subject, and its dates.
///
/// A record made with the throwing initializer follows the rules R1, R4 and R5: its id and its tag
/// values are trimmed and bounded, its text is not blank. Backends need not check them again.
public struct MemoryRecord: Sendable, Equatable {
    /// 1 to 512 bytes of UTF-8 without control characters; the identity of the record.
    public private(set) var id: String
    /// Never blank, never with NUL; otherwise byte for byte what the client sent.
    public private(set) var text: String
    public private(set) var sessionID: String?
    public private(set) var userID: String?
    public private(set) var namespace: String?
    public private(set) var memoryType: MemoryType
    public private(set) var topics: [String]
    public private(set) var entities: [String]
    /// The ids of the messages that this memory was extracted from.
    public private(set) var extractedFrom: [String]
    /// Whether the extraction of single facts has been done (`t` on the wire) or is still due
    /// (`f`).
    public private(set) var discreteMemoryExtracted: Bool
    public private(set) var extractionStrategy: String
    public private(set) var extractionStrategyConfig: JSONObject
    public private(set) var metadata: JSONObject
    /// 64 lower-case hex digits if the server computed it (``MemoryHash``).
    public private(set) var memoryHash: String
    /// A pinned record is never forgotten by a policy.
    public private(set) var pinned: Bool
    /// How often a search with recency has shown the record, counted at most once in 15 minutes.
    public private(set) var accessCount: Int
    public private(set) var createdAt: Timestamp
    public private(set) var lastAccessed: Timestamp
    public private(set) var updatedAt: Timestamp
    /// When the server stored the record.
    public private(set) var persistedAt: Timestamp?
    /// When the event that the text describes happened.
    public private(set) var eventDate: Timestamp?
    /// From this instant on no call sees the record (rule X1); `nil` for one that stays.
    public private(set) var expiresAt: Timestamp?

    /// A record from a client: every value is checked and normalised. An absent `memoryHash` is
    /// computed; absent values of `createdAt`, `lastAccessed` and `updatedAt` become `now`.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput`, its path naming the field as the API
    ///   spells it.
    public init(
        id: String, text: String, sessionID: String? = nil, userID: String? = nil, namespace: String? = nil,
        memoryType: MemoryType = .semantic, topics: [String] = [], entities: [String] = [],
        extractedFrom: [String] = [], discreteMemoryExtracted: Bool = true, extractionStrategy: String? = nil,
        extractionStrategyConfig: JSONObject = [:], metadata: JSONObject = [:], memoryHash: String? = nil,
        pinned: Bool = false, accessCount: Int = 0, createdAt: Timestamp? = nil, lastAccessed: Timestamp? = nil,
        updatedAt: Timestamp? = nil, persistedAt: Timestamp? = nil, eventDate: Timestamp? = nil,
        expiresAt: Timestamp? = nil, now: Timestamp = .now()
    ) throws(MemoryError) {
        try FieldRules.checkExpiry(expiresAt, pinned: pinned)
        guard accessCount >= 0 else { throw .invalid("access_count", "access_count must not be negative") }
        self.id = try FieldRules.checkedID(id)
        self.text = try FieldRules.checkedText(text)
        self.sessionID = try FieldRules.tag(sessionID, field: "session_id")
        self.userID = try FieldRules.tag(userID, field: "user_id")
        self.namespace = try FieldRules.tag(namespace, field: "namespace")
        self.memoryType = memoryType
        self.topics = try FieldRules.tags(topics, field: "topics")
        self.entities = try FieldRules.tags(entities, field: "entities")
        self.extractedFrom = try FieldRules.tags(extractedFrom, field: "extracted_from")
        self.discreteMemoryExtracted = discreteMemoryExtracted
        self.extractionStrategy =
            try FieldRules.tag(extractionStrategy, field: "extraction_strategy") ?? Self.defaultExtractionStrategy
        self.extractionStrategyConfig = extractionStrategyConfig
        self.metadata = try FieldRules.metadata(metadata)
        self.pinned = pinned
        self.accessCount = accessCount
        self.createdAt = createdAt ?? now
        self.lastAccessed = lastAccessed ?? now
        self.updatedAt = updatedAt ?? now
        self.persistedAt = persistedAt
        self.eventDate = eventDate
        self.expiresAt = expiresAt
        self.memoryHash = ""
        self.memoryHash = try FieldRules.tag(memoryHash, field: "memory_hash") ?? computedHash()
    }

    /// A record as a store returns it: nothing is checked, so that data of an older or of another
    /// server stays readable.
    public init(
        storedID id: String, text: String, sessionID: String?, userID: String?, namespace: String?,
        memoryType: MemoryType, topics: [String], entities: [String], extractedFrom: [String],
        discreteMemoryExtracted: Bool, extractionStrategy: String, extractionStrategyConfig: JSONObject,
        metadata: JSONObject, memoryHash: String, pinned: Bool, accessCount: Int, createdAt: Timestamp,
        lastAccessed: Timestamp, updatedAt: Timestamp, persistedAt: Timestamp?, eventDate: Timestamp?,
        expiresAt: Timestamp? = nil
    ) {
        self.id = id
        self.text = text
        self.sessionID = sessionID
        self.userID = userID
        self.namespace = namespace
        self.memoryType = memoryType
        self.topics = topics
        self.entities = entities
        self.extractedFrom = extractedFrom
        self.discreteMemoryExtracted = discreteMemoryExtracted
        self.extractionStrategy = extractionStrategy
        self.extractionStrategyConfig = extractionStrategyConfig
        self.metadata = metadata
        self.memoryHash = memoryHash
        self.pinned = pinned
        self.accessCount = accessCount
        self.createdAt = createdAt
        self.lastAccessed = lastAccessed
        self.updatedAt = updatedAt
        self.persistedAt = persistedAt
        self.eventDate = eventDate
        self.expiresAt = expiresAt
    }

    /// The record as a client might have sent it, with every value checked; an empty memory hash is
    /// computed.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` that names the field.
    public func checked() throws(MemoryError) -> MemoryRecord {
        try MemoryRecord(
            id: id, text: text, sessionID: sessionID, userID: userID, namespace: namespace, memoryType: memoryType,
            topics: topics, entities: entities, extractedFrom: extractedFrom,
            discreteMemoryExtracted: discreteMemoryExtracted, extractionStrategy: extractionStrategy,
            extractionStrategyConfig: extractionStrategyConfig, metadata: metadata, memoryHash: memoryHash,
            pinned: pinned, accessCount: accessCount, createdAt: createdAt, lastAccessed: lastAccessed,
            updatedAt: updatedAt, persistedAt: persistedAt, eventDate: eventDate, expiresAt: expiresAt)
    }

    /// The same record under another id.
    public func renamed(to id: String) throws(MemoryError) -> MemoryRecord {
        var record = self
        record.id = try FieldRules.checkedID(id)
        return record
    }

    /// The `extraction_strategy` of a record that names none.
    public static let defaultExtractionStrategy = "discrete"

    /// The hash of the current values.
    public func computedHash() -> String {
        MemoryHash.compute(
            text: text, userID: userID, sessionID: sessionID, namespace: namespace, memoryType: memoryType)
    }

    /// A record as a store has it: nothing is checked, so that data of an older or of another
    /// server stays readable.
    public init<Source: RecordSource>(reading source: inout Source) throws(Source.Failure) {
        id = try source.text(.id)
        text = try source.text(.text)
        sessionID = try source.optionalText(.sessionID)
        userID = try source.optionalText(.userID)
        namespace = try source.optionalText(.namespace)
        lastAccessed = try source.date(.lastAccessed)
        createdAt = try source.date(.createdAt)
        updatedAt = try source.date(.updatedAt)
        pinned = try source.flag(.pinned)
        accessCount = try source.count(.accessCount)
        topics = try source.texts(.topics)
        entities = try source.texts(.entities)
        memoryHash = try source.text(.memoryHash)
        discreteMemoryExtracted = try source.letterFlag(.discreteMemoryExtracted)
        memoryType = try source.memoryType(.memoryType)
        persistedAt = try source.optionalDate(.persistedAt)
        extractedFrom = try source.texts(.extractedFrom)
        eventDate = try source.optionalDate(.eventDate)
        extractionStrategy = try source.text(.extractionStrategy)
        extractionStrategyConfig = try source.object(.extractionStrategyConfig)
        metadata = try source.object(.metadata)
        expiresAt = try source.optionalDate(.expiresAt)
    }

    /// Sets the given fields, and computes the hash again if one of the fields that it is made of
    /// changes.
    public mutating func apply(_ changes: RecordChanges) {
        for field in RecordField.allCases { set(field, from: changes) }
        if changes.touchesHash { memoryHash = computedHash() }
    }

    private mutating func set(_ field: RecordField, from changes: RecordChanges) {
        switch field {
        case .text: text = changes.text ?? text
        case .sessionID: if case .set(let value) = changes.sessionID { sessionID = value }
        case .userID: if case .set(let value) = changes.userID { userID = value }
        case .namespace: if case .set(let value) = changes.namespace { namespace = value }
        case .memoryType: memoryType = changes.memoryType ?? memoryType
        case .topics: topics = changes.topics ?? topics
        case .entities: entities = changes.entities ?? entities
        case .extractedFrom: extractedFrom = changes.extractedFrom ?? extractedFrom
        case .discreteMemoryExtracted:
            discreteMemoryExtracted = changes.discreteMemoryExtracted ?? discreteMemoryExtracted
        case .metadata: metadata = changes.metadata ?? metadata
        case .pinned: pinned = changes.pinned ?? pinned
        case .eventDate: if case .set(let value) = changes.eventDate { eventDate = value }
        case .expiresAt: if case .set(let value) = changes.expiresAt { expiresAt = value }
        case .updatedAt: updatedAt = changes.updatedAt ?? updatedAt
        case .lastAccessed: lastAccessed = changes.access?.at ?? lastAccessed
        // Stored values may have been written by any program.
        case .accessCount: if changes.access != nil { accessCount = accessCount == .max ? .max : accessCount + 1 }
        case .id, .createdAt, .persistedAt, .memoryHash, .extractionStrategy, .extractionStrategyConfig: break
        }
    }
}
