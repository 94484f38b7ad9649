/// What becomes of one field in a partial update.
public enum FieldChange<Value: Sendable & Equatable>: Sendable, Equatable {
    case unchanged
    case set(Value)
}

/// A partial change of one record: only the fields given here are written (rule U1).
public struct RecordChanges: Sendable, Equatable {
    /// A search has shown the record: sets `last_accessed` and adds 1 to `access_count`.
    public struct Access: Sendable, Equatable {
        public let at: Timestamp
        /// The record is left alone, and not counted as changed, if its `last_accessed` is less than this many seconds
        /// before `at`. 0 touches always.
        public let minimumIntervalSeconds: Int

        public init(at: Timestamp, minimumIntervalSeconds: Int = 900) {
            self.at = at
            self.minimumIntervalSeconds = minimumIntervalSeconds
        }

        /// Whether a record last accessed at `lastAccessed` is due.
        public func isDue(lastAccessed: Timestamp) -> Bool {
            lastAccessed <= at.advanced(bySeconds: -Int64(minimumIntervalSeconds))
        }
    }

    public let text: String?
    public let sessionID: FieldChange<String?>
    public let userID: FieldChange<String?>
    public let namespace: FieldChange<String?>
    public let memoryType: MemoryType?
    /// `[]` clears the list.
    public let topics: [String]?
    public let entities: [String]?
    public let extractedFrom: [String]?
    public let discreteMemoryExtracted: Bool?
    public let metadata: JSONObject?
    public let pinned: Bool?
    public let eventDate: FieldChange<Timestamp?>
    public let updatedAt: Timestamp?
    public let access: Access?

    /// - Throws: ``MemoryError`` with code `invalidInput`, by the same rules as a new record's values.
    public init(
        text: String? = nil, sessionID: FieldChange<String?> = .unchanged, userID: FieldChange<String?> = .unchanged,
        namespace: FieldChange<String?> = .unchanged, memoryType: MemoryType? = nil, topics: [String]? = nil,
        entities: [String]? = nil, extractedFrom: [String]? = nil, discreteMemoryExtracted: Bool? = nil,
        metadata: JSONObject? = nil, pinned: Bool? = nil, eventDate: FieldChange<Timestamp?> = .unchanged,
        updatedAt: Timestamp? = nil, access: Access? = nil
    ) throws(MemoryError) {
        self.text = if let text { try FieldRules.checkedText(text) } else { nil }
        self.sessionID = try Self.tag(sessionID, field: "session_id")
        self.userID = try Self.tag(userID, field: "user_id")
        self.namespace = try Self.tag(namespace, field: "namespace")
        self.memoryType = memoryType
        self.topics = if let topics { try FieldRules.tags(topics, field: "topics") } else { nil }
        self.entities = if let entities { try FieldRules.tags(entities, field: "entities") } else { nil }
        self.extractedFrom =
            if let extractedFrom { try FieldRules.tags(extractedFrom, field: "extracted_from") } else { nil }
        self.discreteMemoryExtracted = discreteMemoryExtracted
        self.metadata = metadata
        self.pinned = pinned
        self.eventDate = eventDate
        self.updatedAt = updatedAt
        self.access = access
    }

    private static func tag(_ change: FieldChange<String?>, field: String) throws(MemoryError) -> FieldChange<String?> {
        switch change {
        case .unchanged: .unchanged
        case .set(let value): .set(try FieldRules.tag(value, field: field))
        }
    }

    /// Whether one of the five fields that the memory hash is made of is among the changes.
    public var touchesHash: Bool {
        text != nil || memoryType != nil || sessionID != .unchanged || userID != .unchanged || namespace != .unchanged
    }

    public var isEmpty: Bool {
        !touchesHash && topics == nil && entities == nil && extractedFrom == nil && discreteMemoryExtracted == nil
            && metadata == nil && pinned == nil && eventDate == .unchanged && updatedAt == nil && access == nil
    }
}

/// The changes for one record.
public struct RecordUpdate: Sendable, Equatable {
    public let id: String
    public let changes: RecordChanges

    public init(id: String, changes: RecordChanges) {
        self.id = id
        self.changes = changes
    }
}
