public import AgentMemory

/// The session that a request names.
public struct SessionSelector: Sendable, Equatable {
    /// The request's value for the namespace or the user id.
    public enum Part: Sendable, Equatable {
        /// Not given: any value matches, and so do sessions without one.
        case any
        /// The session must have no value.
        case absent
        case value(String)

        /// An empty string stands for no value, as in writes.
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

    /// The one key that can match, if the request leaves nothing open.
    var exactKey: SessionKey? { namespace != .any && userID != .any ? plainKey : nil }

    /// The key of the session that has only the parts that the request names. It takes precedence
    /// over other matches: clients name the parts of a session, and one that never names a user
    /// means the session without one.
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

    /// Several sessions match: lists them, so that the client can choose.
    func ambiguous(_ keys: [SessionKey], more: Bool) -> MemoryError {
        func named(_ name: String, _ value: String?) -> String { value.map { "\(name)=\($0)" } ?? "no \(name)" }
        let choices = keys.map { "(\(named("namespace", $0.namespace)), \(named("user_id", $0.userID)))" }
        return MemoryError(
            .conflict,
            "Several sessions have the id \(reference.sessionID): \(choices.joined(separator: ", "))\(more ? ", …" : ""); say which one with namespace and user_id (an empty value stands for none)"
        )
    }
}
