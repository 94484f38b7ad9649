public import AgentMemory

/// Which session a request means.
public struct SessionSelector: Sendable, Equatable {
    /// What a request says about the namespace or the user id.
    public enum Part: Sendable, Equatable {
        /// Nothing: any value matches, and sessions that have none.
        case any
        /// The session has none.
        case absent
        case value(String)

        /// An empty text says that the session has none, as it does when the session is written.
        public init(parameter: String?) {
            guard let parameter else {
                self = .any
                return
            }
            self = SearchQuery.isBlank(parameter) ? .absent : .value(parameter)
        }
    }

    let reference: SessionReference
    private let namespace: Part
    private let userID: Part

    /// - Throws: ``MemoryError`` with code `invalidInput` that names the parameter.
    public init(sessionID: String, namespace: Part = .any, userID: Part = .any) throws(MemoryError) {
        func value(_ part: Part) -> String? { if case .value(let value) = part { value } else { nil } }
        reference = try SessionReference(
            sessionID: sessionID, namespace: value(namespace), userID: value(userID))
        self.namespace = namespace
        self.userID = userID
    }

    /// The one key that can match, where the request leaves nothing open.
    var exactKey: SessionKey? { namespace != .any && userID != .any ? plainKey : nil }

    /// The key of the session that has no part but those that the request names. It comes before
    /// others that match: clients name what a session has, and one that never names a user means
    /// the session without one.
    var plainKey: SessionKey {
        SessionKey(storedSessionID: reference.sessionID, namespace: reference.namespace, userID: reference.userID)
    }

    func matches(_ key: SessionKey) -> Bool {
        reference.matches(key) && (namespace != .absent || key.namespace == nil)
            && (userID != .absent || key.userID == nil)
    }

    public var sessionID: String { reference.sessionID }
    /// The user id that the request names.
    public var namedUserID: String? { reference.userID }

    var notFound: MemoryError {
        MemoryError(.notFound, "Session \(reference.sessionID) not found")
    }

    /// Several sessions match: says which, so that the client can choose.
    func ambiguous(_ keys: [SessionKey], more: Bool) -> MemoryError {
        func named(_ name: String, _ value: String?) -> String { value.map { "\(name)=\($0)" } ?? "no \(name)" }
        let choices = keys.map { "(\(named("namespace", $0.namespace)), \(named("user_id", $0.userID)))" }
        return MemoryError(
            .conflict,
            "Several sessions have the id \(reference.sessionID): \(choices.joined(separator: ", "))\(more ? ", …" : ""); say which one with namespace and user_id (an empty value stands for none)"
        )
    }
}
