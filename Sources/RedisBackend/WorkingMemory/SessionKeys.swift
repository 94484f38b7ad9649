import AgentMemory

/// The two keys under which the document of a session can be.
///
/// The reference joins what there is of namespace, user id and session id with colons, so that
/// several sessions share one key: those of namespace `a` and of user `a`, or any whose parts hold
/// a colon. So a document counts only where its own fields name the session; and a session that
/// finds its plain key taken by another one lives under a key of its own.
struct SessionKeys: Sendable, Equatable {
    /// `working_memory[:namespace][:user_id]:session_id`, as the reference has it.
    let plain: String
    /// The parts behind control characters, which no part can hold: no plain key is equal to it,
    /// and no two sessions share it.
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
