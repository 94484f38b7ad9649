import AgentMemory

/// The two keys under which the document of a session can be.
///
/// The reference joins the existing parts among namespace, user id and session id with colons, so
/// that several sessions share one key: those of namespace `a` and of user `a`, or any whose parts
/// have a colon. So a document counts only if its own fields name the session. A session whose
/// plain key is taken by another one has a separate key.
struct SessionKeys: Sendable, Equatable {
    /// `working_memory[:namespace][:user_id]:session_id`, as the reference has it.
    let plain: String
    /// The parts after control characters, which parts cannot have: it differs from every plain
    /// key, and no two sessions share it.
    let own: String
    /// Session id, namespace and user id; an absent part is the empty string, which a part cannot
    /// be.
    let identity: [String]

    init(_ key: SessionKey, prefix: String) {
        plain = ([prefix] + [key.namespace, key.userID].compactMap(\.self) + [key.sessionID]).joined(separator: ":")
        identity = [key.sessionID, key.namespace ?? "", key.userID ?? ""]
        own = "\(prefix):" + [identity[1], identity[2], identity[0]].map { "\u{1F}" + $0 }.joined()
    }
}
