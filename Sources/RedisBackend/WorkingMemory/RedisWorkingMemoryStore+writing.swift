public import AgentMemory
import RedisDriver

extension RedisWorkingMemoryStore {
    @discardableResult
    public func write(
        _ memory: WorkingMemory, expecting: SessionExpectation, writerStamp: Timestamp?, enqueueing jobs: [NewJob]
    ) async throws -> SessionRevision {
        let stamp = memory.lastAccessed
        let count = memory.messages.count
        // The script adds the number and the earlier revisions.
        let revision = SessionRevision(number: 0, stamp: stamp, writerStamp: writerStamp, messageCount: count)
        let text = try StoredDocument.text(
            StoredSession(memory: memory, messageCount: count, revisions: [revision]))
        let keys = keys(memory.key)
        let reply = try await mappingErrors(bytes: text.count) {
            try await client.evaluate(SessionScripts.write, keys: [keys.plain, keys.own]) { command in
                command.append(keys.identity)
                switch expecting {
                case .absent: command.append("")
                case .revision(let number): command.append(number)
                }
                command.append(bytes: text)
                command.append(String(stamp.microseconds))
                command.append(Self.literal(writerStamp))
                command.append(count)
                command.append(memory.ttlSeconds.map { String(min(max($0, 1), Self.longestTTL) * 1000) } ?? "")
                command.append(SessionRevision.kept)
                command.append(configuration.jobsKeyPrefix)
                for job in jobs { RedisJobQueue.append(job, to: &command) }
            }
        }
        guard let number = reply.integer else { throw Self.conflict }
        return SessionRevision(number: number, stamp: stamp, writerStamp: writerStamp, messageCount: count)
    }

    public func append(_ append: SessionAppend, to key: SessionKey) async throws -> StoredSession? {
        let keys = keys(key)
        let reply = try await mappingErrors {
            try await client.evaluate(SessionScripts.append, keys: [keys.plain, keys.own]) { command in
                command.append(keys.identity)
                command.append(append.expectedRevision.map { String($0) } ?? "")
                command.append(String(append.at.microseconds))
                command.append(append.at.secondsLiteral.literal)
                command.append(Self.literal(append.writerStamp))
                command.append(append.tokens.map { String($0) } ?? "")
                command.append(SessionRevision.kept)
                command.append(StoredDocument.headPaths.count)
                command.append(append.skipsRepeats ? String(SessionAppend.repeatWindow) : "")
                command.append(configuration.jobsKeyPrefix)
                command.append(append.jobs.count * 3)
                command.append(StoredDocument.headPaths)
                for job in append.jobs { RedisJobQueue.append(job, to: &command) }
                for message in append.messages {
                    var writer = JSONWriter(capacity: message.content.utf8.count + 256)
                    message.write(to: &writer)
                    command.append(bytes: writer.bytes)
                }
            }
        }
        if let refusal = reply.integer { throw refusal == 2 ? SessionAppend.repeatConflict : Self.conflict }
        guard let (text, count) = try Self.document(reply) else { return nil }
        return try StoredDocument.session(text, messageCount: count)
    }

    public func delete(_ key: SessionKey, expectedRevision: Int?) async throws -> Bool {
        let keys = keys(key)
        let reply = try await mappingErrors {
            try await client.evaluate(SessionScripts.delete, keys: [keys.plain, keys.own]) { command in
                command.append(keys.identity)
                command.append(expectedRevision.map { String($0) } ?? "")
            }
        }
        guard let deleted = reply.integer else { return false }
        guard deleted == 1 else { throw Self.conflict }
        return true
    }

    public func markPersisted(
        memoryIDs: [String], messageIDs: [String], at date: Timestamp, in key: SessionKey
    ) async throws {
        guard !memoryIDs.isEmpty || !messageIDs.isEmpty else { return }
        let keys = keys(key)
        _ = try await mappingErrors {
            try await client.evaluate(SessionScripts.markPersisted, keys: [keys.plain, keys.own]) { command in
                command.append(keys.identity)
                command.append(JSONValue.string(date.iso8601).jsonText)
                command.append(memoryIDs.count)
                command.append(memoryIDs)
                command.append(messageIDs)
            }
        }
    }

    public func markExtracted(_ messages: [SessionMessage], in key: SessionKey) async throws {
        guard !messages.isEmpty else { return }
        let keys = keys(key)
        _ = try await mappingErrors {
            try await client.evaluate(SessionScripts.markExtracted, keys: [keys.plain, keys.own]) { command in
                command.append(keys.identity)
                for message in messages {
                    command.append(message.id)
                    command.append(message.role)
                    command.append(message.content)
                }
            }
        }
    }

    private static func literal(_ stamp: Timestamp?) -> String {
        stamp.map { String($0.microseconds) } ?? "null"
    }

    private static var conflict: MemoryError {
        MemoryError(.conflict, "the session has changed since it was read")
    }
}
