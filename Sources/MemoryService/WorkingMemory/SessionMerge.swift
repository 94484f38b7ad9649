import AgentMemory

/// The effect of a PUT on the stored session: it replaces the session, or, if the client worked
/// from an older state, adds what it added.
///
/// Clients append by reading, adding and putting back, and send the `last_accessed` that they read,
/// which identifies the state they worked from (``SessionRevision``). A client that makes its
/// object itself and puts it repeatedly sends its own stamp each time, which the revision stores as
/// ``SessionRevision/writerStamp``.
enum SessionMerge: Equatable {
    /// Write the PUT over the revision that is stored.
    case replace
    /// Add these messages; everything else stays as stored.
    case append([SessionMessage])
    /// What the PUT would add is stored already.
    case unchanged
    /// The session has changed since the client read it, and the PUT would undo the change.
    case conflict

    init(_ put: SessionPut, over stored: StoredSession) {
        guard let stamp = put.writerStamp else {
            // The request does not say what the client read: PUT replaces.
            self = .replace
            return
        }
        guard
            let base = stored.revisions.last(where: { $0.stamp == stamp })
                ?? stored.revisions.last(where: { $0.writerStamp == stamp })
        else {
            self = Self.overUnknownState(put, stored, stamp)
            return
        }
        if base.number == stored.current.number {
            self = Self.pureAppend(put, stored).map { .append($0) } ?? .replace
        } else {
            self = Self.afterOlderState(put, stored, base)
        }
    }

    /// The stamp is from the client's own clock. If it is later than the current state, the client
    /// may have read that state. If it is earlier, the client has not, so a PUT that would drop
    /// something is a lost update. An entirely empty PUT is from a client that found no session and
    /// creates one, which another client has created meanwhile.
    private static func overUnknownState(_ put: SessionPut, _ stored: StoredSession, _ stamp: Timestamp)
        -> SessionMerge
    {
        guard stamp < stored.current.stamp, drops(put, stored.memory) else { return .replace }
        return put.isEmpty ? .unchanged : .conflict
    }

    private static func afterOlderState(_ put: SessionPut, _ stored: StoredSession, _ base: SessionRevision)
        -> SessionMerge
    {
        let messages = stored.memory.messages
        let count = base.messageCount
        guard put.messages.count >= count, messages.count >= count,
            zip(put.messages.prefix(count), messages).allSatisfy({ $0.saysTheSame(as: $1) }),
            saysTheSameBesideMessages(put, stored.memory)
        else { return .conflict }
        // A PUT that is retried because its response was lost finds its own messages.
        var later: [ExactString: [SessionMessage]] = [:]
        for message in messages.dropFirst(count) { later[ExactString(message.id), default: []].append(message) }
        let added = put.messages.dropFirst(count).filter { new in
            !(later[ExactString(new.id)] ?? []).contains { $0.saysTheSame(as: new) }
        }
        return added.isEmpty ? .unchanged : .append(added)
    }

    /// The messages that the PUT adds at the end, if it changes nothing else: the store can then
    /// append them without writing the rest again.
    private static func pureAppend(_ put: SessionPut, _ stored: StoredSession) -> [SessionMessage]? {
        let messages = stored.memory.messages
        guard put.messages.count > messages.count,
            zip(put.messages, messages).allSatisfy({ new, old in
                new.saysTheSame(as: old) && new.createdAt == old.createdAt
                    && (new.persistedAt == nil || new.persistedAt == old.persistedAt)
                    && new.discreteMemoryExtracted == old.discreteMemoryExtracted
            }),
            put.createdAt == nil || put.createdAt == stored.memory.createdAt,
            saysTheSameBesideMessages(put, stored.memory)
        else { return nil }
        return Array(put.messages.dropFirst(messages.count))
    }

    /// Everything except messages, dates and the count of tokens.
    private static func saysTheSameBesideMessages(_ put: SessionPut, _ stored: WorkingMemory) -> Bool {
        put.memories.count == stored.memories.count
            && zip(put.memories, stored.memories).allSatisfy { $0.saysTheSame(as: $1) }
            // The reference writes {} if there is no data.
            && (put.data ?? [:]) == (stored.data ?? [:])
            && put.context.map(ExactString.init) == stored.context.map(ExactString.init)
            && put.strategy == stored.strategy && put.ttlSeconds == stored.ttlSeconds
    }

    /// Whether the PUT would remove something that is stored.
    private static func drops(_ put: SessionPut, _ stored: WorkingMemory) -> Bool {
        let messages = Set(put.messages.map { ExactString($0.id) })
        let memories = Set(put.memories.map { ExactString($0.id) })
        return !stored.messages.allSatisfy { messages.contains(ExactString($0.id)) }
            || !stored.memories.allSatisfy { memories.contains(ExactString($0.id)) }
            || (stored.data ?? [:]).members.contains { put.data?[$0.name] == nil }
            || (stored.context != nil && put.context == nil)
    }

    static let conflictError = MemoryError(
        .conflict,
        "The session has changed since it was read, and this PUT would undo that change. Read it again, apply your change and put it back; or send no last_accessed to replace whatever is stored"
    )
}

extension SessionPut {
    fileprivate var isEmpty: Bool {
        messages.isEmpty && memories.isEmpty && data?.isEmpty != false && context == nil
    }
}
