/// The records and sessions that an export reads: those of a namespace, a user and a session, each
/// compared byte by byte, within what a caller may reach.
public struct SnapshotSelection: Sendable, Equatable {
    /// `nil` selects every namespace, and what has none; the same holds for the other two.
    public let namespace: String?
    public let userID: String?
    public let sessionID: String?
    public let scope: AccessScope
    /// Whether the records come with their vectors.
    public let hasVectors: Bool
    /// What has expired by then is not selected.
    public let moment: Timestamp

    /// - Throws: ``MemoryError`` with code `invalidInput` that names `namespace`, `user_id` or
    ///   `session_id`.
    public init(
        namespace: String? = nil, userID: String? = nil, sessionID: String? = nil, hasVectors: Bool = false,
        scope: AccessScope = .everything, moment: Timestamp = .now()
    ) throws(MemoryError) {
        func part(_ value: String?, _ field: String) throws(MemoryError) -> String? {
            guard let value else { return nil }
            guard let tag = try FieldRules.tag(value, field: field) else {
                throw .invalid(field, "\(field) must not be empty")
            }
            return tag
        }
        self.namespace = try part(namespace, "namespace")
        self.userID = try part(userID, "user_id")
        self.sessionID = try part(sessionID, "session_id")
        self.hasVectors = hasVectors
        self.scope = scope
        self.moment = moment
    }

    private init(_ other: SnapshotSelection, scope: AccessScope, hasVectors: Bool) {
        namespace = other.namespace
        userID = other.userID
        sessionID = other.sessionID
        moment = other.moment
        self.scope = scope
        self.hasVectors = hasVectors
    }

    /// The same selection within this scope, with vectors or without.
    public func with(scope: AccessScope? = nil, hasVectors: Bool? = nil) -> SnapshotSelection {
        SnapshotSelection(self, scope: scope ?? self.scope, hasVectors: hasVectors ?? self.hasVectors)
    }

    /// Whether every record and session is selected that has not expired.
    public var isEverything: Bool { namespace == nil && userID == nil && sessionID == nil && scope.isEverything }

    /// As a filter of records, without the date of expiry.
    public func filter() throws(MemoryError) -> MemoryFilter {
        var tags: [TagField: TagCondition] = [:]
        for (field, value) in [(TagField.namespace, namespace), (.userID, userID), (.sessionID, sessionID)] {
            if let value { tags[field] = try TagCondition(field: field, eq: value) }
        }
        return MemoryFilter(tags: tags, scope: scope)
    }

    /// Whether it selects what has this owner and session.
    public func contains(namespace: String?, userID: String?, sessionID: String?) -> Bool {
        func fits(_ wanted: String?, _ part: String?) -> Bool {
            guard let wanted else { return true }
            return part.map(ExactString.init) == ExactString(wanted)
        }
        return fits(self.namespace, namespace) && fits(self.userID, userID) && fits(self.sessionID, sessionID)
            && scope.contains(namespace: namespace, userID: userID)
    }

    public func contains(_ record: MemoryRecord) -> Bool {
        guard contains(namespace: record.namespace, userID: record.userID, sessionID: record.sessionID) else {
            return false
        }
        return record.expiresAt.map { $0 > moment } ?? true
    }

    public func contains(_ key: SessionKey) -> Bool {
        contains(namespace: key.namespace, userID: key.userID, sessionID: key.sessionID)
    }
}
