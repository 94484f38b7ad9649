import AgentMemory

extension ErasureScope {
    /// What an erasure does to a job.
    ///
    /// - Parameter date: the begin of the erasure, by the clock of the queue. What was handed in
    ///   later stays, but may have read what is erased.
    func revision(of job: QueuedJob, handedInBy date: Timestamp) -> JobRevision {
        let payload = job.payload
        let revision = revision(of: payload)
        let handedIn = payload["handed_in_at"]?.intValue.flatMap { Timestamp(microseconds: Int64($0)) }
        guard revision == .keep || handedIn ?? job.enqueuedAt <= date else { return .observe }
        return revision
    }

    /// What an erasure does to a job, or an operation at work, that was handed in before it.
    func revision(of payload: JSONObject) -> JobRevision {
        // A job that names no owner may only do what its caller may.
        let limits = payload["caller"]?.objectValue.flatMap { try? AccessScope(json: $0) } ?? .everything
        let owner = (
            namespace: payload["namespace"]?.stringValue ?? limits.namespaces.only,
            user: payload["user_id"]?.stringValue ?? limits.users.only,
            session: payload["session_id"]?.stringValue
        )
        let isOwn = contains(namespace: owner.namespace, userID: owner.user, sessionID: owner.session)
        guard let memories = payload["memories"]?.arrayValue, let messages = payload["messages"]?.arrayValue else {
            return isOwn ? .remove : .keep
        }
        // Memories of a session may have owners of their own.
        let keptMemories = memories.filter { memory in
            !contains(
                namespace: memory["namespace"]?.stringValue ?? owner.namespace,
                userID: memory["user_id"]?.stringValue ?? owner.user,
                sessionID: memory["session_id"]?.stringValue ?? owner.session)
        }
        let keptMessages = isOwn ? [] : messages
        if keptMemories.isEmpty, keptMessages.isEmpty { return isOwn || !memories.isEmpty ? .remove : .keep }
        guard keptMemories.count < memories.count || keptMessages.count < messages.count else { return .keep }
        var rest = payload
        rest["memories"] = .array(keptMemories)
        rest["messages"] = .array(keptMessages)
        return .replacePayload(rest)
    }
}
