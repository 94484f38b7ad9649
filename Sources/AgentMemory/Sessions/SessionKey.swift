/// The identity of a session: its id together with its namespace and user id, compared byte by
/// byte. Sessions of the same id in two namespaces, or of two users, are two sessions.
public struct SessionKey: Sendable, Hashable, Comparable {
    /// 1 to 512 bytes of UTF-8, not blank, without control characters.
    public let sessionID: String
    /// Trimmed and not empty, 512 bytes at most, without control characters; `nil` where the
    /// session has none.
    public let namespace: String?
    /// Follows the rules of `namespace`.
    public let userID: String?

    /// - Throws: ``MemoryError`` with code `invalidInput` that names `session_id`, `namespace` or
    ///   `user_id`.
    public init(sessionID: String, namespace: String? = nil, userID: String? = nil) throws(MemoryError) {
        self.sessionID = try FieldRules.checkedID(sessionID, field: "session_id")
        self.namespace = try FieldRules.tag(namespace, field: "namespace")
        self.userID = try FieldRules.tag(userID, field: "user_id")
    }

    /// A key as a store returns it. Nothing is checked, so that data of another server stays
    /// readable; an empty part counts as absent.
    public init(storedSessionID sessionID: String, namespace: String?, userID: String?) {
        self.sessionID = sessionID
        self.namespace = namespace.flatMap { $0.isEmpty ? nil : $0 }
        self.userID = userID.flatMap { $0.isEmpty ? nil : $0 }
    }

    public static func == (a: SessionKey, b: SessionKey) -> Bool {
        a.parts == b.parts
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(parts)
    }

    /// By the bytes of the session id, then of the namespace, then of the user id; an absent part
    /// comes first.
    public static func < (a: SessionKey, b: SessionKey) -> Bool {
        a.parts.lexicographicallyPrecedes(b.parts)
    }

    /// An absent part is the empty string, which a part cannot be.
    private var parts: [ExactString] {
        [ExactString(sessionID), ExactString(namespace ?? ""), ExactString(userID ?? "")]
    }
}
