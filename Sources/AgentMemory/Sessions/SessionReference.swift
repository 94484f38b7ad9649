/// How a request names a session: a part that is left out matches any value and also sessions that
/// have none; a part that is given must be equal, byte by byte.
public struct SessionReference: Sendable, Hashable {
    public let sessionID: String
    public let namespace: String?
    public let userID: String?

    /// - Throws: ``MemoryError`` with code `invalidInput` that names `session_id`, `namespace` or
    ///   `user_id`.
    public init(sessionID: String, namespace: String? = nil, userID: String? = nil) throws(MemoryError) {
        let key = try SessionKey(sessionID: sessionID, namespace: namespace, userID: userID)
        self.sessionID = key.sessionID
        self.namespace = key.namespace
        self.userID = key.userID
    }

    public func matches(_ key: SessionKey) -> Bool {
        func fits(_ wanted: String?, _ part: String?) -> Bool {
            guard let wanted else { return true }
            guard let part else { return false }
            return ExactString(wanted) == ExactString(part)
        }
        return ExactString(sessionID) == ExactString(key.sessionID) && fits(namespace, key.namespace)
            && fits(userID, key.userID)
    }
}
