/// The change of one field in a partial update.
public enum FieldChange<Value: Sendable & Equatable>: Sendable, Equatable {
    case unchanged
    case set(Value)

    /// What the field is set to; `nil` if it stays.
    var value: Value? {
        if case .set(let value) = self { value } else { nil }
    }
}

/// A partial change of one record: only the fields given here are written (rule U1).
public struct RecordChanges: Sendable, Equatable {
    /// A search has shown the record: sets `last_accessed` and adds 1 to `access_count`.
    public struct Access: Sendable, Equatable {
        public let at: Timestamp
        /// The record is not changed, and not counted as changed, if its `last_accessed` is less
        /// than this many seconds before `at`. 0 always applies the access.
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

    public private(set) var text: String?
    public private(set) var sessionID: FieldChange<String?> = .unchanged
    public private(set) var userID: FieldChange<String?> = .unchanged
    public private(set) var namespace: FieldChange<String?> = .unchanged
    public private(set) var memoryType: MemoryType?
    /// `[]` clears the list.
    public private(set) var topics: [String]?
    public private(set) var entities: [String]?
    public private(set) var extractedFrom: [String]?
    public private(set) var discreteMemoryExtracted: Bool?
    public private(set) var metadata: JSONObject?
    public private(set) var pinned: Bool?
    public private(set) var eventDate: FieldChange<Timestamp?> = .unchanged
    public private(set) var expiresAt: FieldChange<Timestamp?> = .unchanged
    public private(set) var updatedAt: Timestamp?
    public let access: Access?

    /// - Throws: ``MemoryError`` with code `invalidInput`, by the same rules as a new record's
    ///   values.
    public init(
        text: String? = nil, sessionID: FieldChange<String?> = .unchanged, userID: FieldChange<String?> = .unchanged,
        namespace: FieldChange<String?> = .unchanged, memoryType: MemoryType? = nil, topics: [String]? = nil,
        entities: [String]? = nil, extractedFrom: [String]? = nil, discreteMemoryExtracted: Bool? = nil,
        metadata: JSONObject? = nil, pinned: Bool? = nil, eventDate: FieldChange<Timestamp?> = .unchanged,
        expiresAt: FieldChange<Timestamp?> = .unchanged, updatedAt: Timestamp? = nil, access: Access? = nil
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
        self.metadata = if let metadata { try FieldRules.metadata(metadata) } else { nil }
        self.pinned = pinned
        self.eventDate = eventDate
        self.expiresAt = expiresAt
        try FieldRules.checkExpiry(expiresAt.value ?? nil, pinned: pinned == true)
        self.updatedAt = updatedAt
        self.access = access
    }

    private static func tag(_ change: FieldChange<String?>, field: String) throws(MemoryError) -> FieldChange<String?> {
        switch change {
        case .unchanged: .unchanged
        case .set(let value): .set(try FieldRules.tag(value, field: field))
        }
    }

    /// The changes that the members of a JSON object name. A member that is `null` clears a field
    /// that may be absent, and leaves every other one as it is.
    ///
    /// - Throws: ``MemoryError`` with the code of `members` for what cannot be read; `invalidInput`
    ///   for what breaks a rule.
    public init(reading members: inout RecordMembers, access: Access?) throws(MemoryError) {
        self.access = access
        for field in RecordField.allCases {
            let (isThere, isNull) = members.presence(of: field)
            if isThere { try read(field, isNull: isNull, &members) }
        }
    }

    private mutating func read(_ field: RecordField, isNull: Bool, _ members: inout RecordMembers) throws(MemoryError) {
        switch field {
        case .sessionID:
            sessionID = .set(try FieldRules.tag(try members.optionalText(field), field: field.name))
        case .userID: userID = .set(try FieldRules.tag(try members.optionalText(field), field: field.name))
        case .namespace: namespace = .set(try FieldRules.tag(try members.optionalText(field), field: field.name))
        case .eventDate: eventDate = .set(try members.optionalDate(field))
        case .expiresAt: expiresAt = .set(try members.optionalDate(field))
        case _ where isNull: break
        case .text: text = try FieldRules.checkedText(try members.text(field))
        case .memoryType: memoryType = try members.memoryType(field)
        case .topics: topics = try FieldRules.tags(try members.texts(field), field: field.name)
        case .entities: entities = try FieldRules.tags(try members.texts(field), field: field.name)
        case .extractedFrom: extractedFrom = try FieldRules.tags(try members.texts(field), field: field.name)
        case .discreteMemoryExtracted: discreteMemoryExtracted = try members.letterFlag(field)
        case .metadata: metadata = try FieldRules.metadata(try members.object(field))
        case .pinned: pinned = try members.flag(field)
        case .updatedAt: updatedAt = try members.date(field)
        case .id, .createdAt, .lastAccessed, .accessCount, .persistedAt, .memoryHash, .extractionStrategy,
            .extractionStrategyConfig:
            break
        }
    }

    /// What a field is set to; `nil` if the changes do not name it. An ``access`` names none.
    public func value(of field: RecordField) -> RecordValue? {
        switch field {
        case .text: text.map(RecordValue.text)
        case .sessionID: sessionID.value.map(RecordValue.optionalText)
        case .userID: userID.value.map(RecordValue.optionalText)
        case .namespace: namespace.value.map(RecordValue.optionalText)
        case .memoryType: memoryType.map(RecordValue.memoryType)
        case .topics: topics.map(RecordValue.texts)
        case .entities: entities.map(RecordValue.texts)
        case .extractedFrom: extractedFrom.map(RecordValue.texts)
        case .discreteMemoryExtracted: discreteMemoryExtracted.map(RecordValue.letterFlag)
        case .metadata: metadata.map(RecordValue.object)
        case .pinned: pinned.map(RecordValue.flag)
        case .eventDate: eventDate.value.map(RecordValue.optionalDate)
        case .expiresAt: expiresAt.value.map(RecordValue.optionalDate)
        case .updatedAt: updatedAt.map(RecordValue.date)
        case .id, .createdAt, .lastAccessed, .accessCount, .persistedAt, .memoryHash, .extractionStrategy,
            .extractionStrategyConfig:
            nil
        }
    }

    /// The fields that are set, without what an ``access`` changes.
    public var fields: [RecordField] { RecordField.allCases.filter { value(of: $0) != nil } }

    /// Whether one of the fields that the memory hash is made of is among the changes.
    public var touchesHash: Bool { RecordField.hashed.contains { value(of: $0) != nil } }

    public var isEmpty: Bool { access == nil && fields.isEmpty }
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
