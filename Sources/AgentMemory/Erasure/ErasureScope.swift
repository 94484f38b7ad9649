/// What an erasure is about: everything of one user, one namespace or one session, or of several
/// of them at once. A part that is given must be equal, byte by byte.
public struct ErasureScope: Sendable, Equatable {
    public let namespace: String?
    public let userID: String?
    public let sessionID: String?

    /// - Throws: ``MemoryError`` with code `invalidInput` if no part is given, or if one is a value
    ///   that the field cannot have; the latter names the field.
    public init(namespace: String? = nil, userID: String? = nil, sessionID: String? = nil) throws(MemoryError) {
        func checked(_ value: String?, _ field: TagField) throws(MemoryError) -> String? {
            guard let value else { return nil }
            do throws(MemoryError) {
                return try TagCondition(field: field, eq: value).all.first
            } catch {
                throw error.within(.key(field.rawValue))
            }
        }
        self.namespace = try checked(namespace, .namespace)
        self.userID = try checked(userID, .userID)
        self.sessionID = try checked(sessionID, .sessionID)
        guard !parts.isEmpty else {
            throw MemoryError(.invalidInput, "an erasure names a user_id, a namespace or a session_id")
        }
    }

    /// The parts that are given, by field.
    public var parts: [(field: TagField, value: String)] {
        [(TagField.namespace, namespace), (.userID, userID), (.sessionID, sessionID)].compactMap { field, value in
            value.map { (field, $0) }
        }
    }

    /// The records that it contains.
    public func filter() throws(MemoryError) -> MemoryFilter {
        var tags: [TagField: TagCondition] = [:]
        for (field, value) in parts { tags[field] = try TagCondition(field: field, eq: value) }
        return MemoryFilter(tags: tags)
    }

    /// Whether it contains what has these owners.
    public func contains(namespace: String?, userID: String?, sessionID: String?) -> Bool {
        Self.fits(self.namespace, namespace) && Self.fits(self.userID, userID)
            && Self.fits(self.sessionID, sessionID)
    }

    /// Whether it contains something of this namespace and user, in whatever session.
    public func reaches(namespace: String?, userID: String?) -> Bool {
        Self.fits(self.namespace, namespace) && Self.fits(self.userID, userID)
    }

    /// Whether a caller with these limits reaches all that it contains.
    public func isWithin(_ scope: AccessScope) -> Bool {
        scope.contains(namespace: namespace, userID: userID)
    }

    public func contains(_ record: MemoryRecord) -> Bool {
        contains(namespace: record.namespace, userID: record.userID, sessionID: record.sessionID)
    }

    public func contains(_ key: SessionKey) -> Bool {
        contains(namespace: key.namespace, userID: key.userID, sessionID: key.sessionID)
    }

    private static func fits(_ wanted: String?, _ value: String?) -> Bool {
        guard let wanted else { return true }
        return value.map { ExactString($0) == ExactString(wanted) } ?? false
    }

    public static func == (a: ErasureScope, b: ErasureScope) -> Bool {
        func exact(_ scope: ErasureScope) -> [ExactString?] {
            [scope.namespace, scope.userID, scope.sessionID].map { $0.map(ExactString.init) }
        }
        return exact(a) == exact(b)
    }

    /// The given parts under the names of their fields.
    public var json: JSONObject {
        var object = JSONObject()
        for (field, value) in parts { object[field.rawValue] = .string(value) }
        return object
    }

    /// Reads ``json``.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` for anything else.
    public init(json: JSONObject) throws(MemoryError) {
        func text(_ field: TagField) -> String? { json[field.rawValue]?.stringValue }
        try self.init(namespace: text(.namespace), userID: text(.userID), sessionID: text(.sessionID))
    }
}
