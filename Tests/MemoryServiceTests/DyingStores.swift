import AgentMemory
import Synchronization

/// Stores of sessions and documents that fail for good after a number of calls, as those of a
/// process that dies do: what was called before has taken effect.
final class DyingStores: WorkingMemoryStore, DocumentStore {
    private let sessions: any WorkingMemoryStore
    private let documents: any DocumentStore
    private let left: Mutex<Int>

    let name = "dying"

    init(_ sessions: any WorkingMemoryStore, _ documents: any DocumentStore, after calls: Int) {
        self.sessions = sessions
        self.documents = documents
        left = Mutex(calls)
    }

    private func live() throws {
        let isAlive = left.withLock { left in
            left -= 1
            return left >= 0
        }
        guard isAlive else { throw MemoryError(.storeUnavailable, "the process has died") }
    }

    func prepare() async throws {}
    func close() async {}
    func health() async -> [ComponentHealth] { [] }

    func document(_ key: DocumentKey) async throws -> RevisedDocument? {
        try live()
        return try await documents.document(key)
    }

    func documents(
        _ kind: DocumentKey.Kind, of parent: String, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<RevisedDocument> {
        try live()
        return try await documents.documents(kind, of: parent, within: scope, page: page)
    }

    func scan(
        _ kind: DocumentKey.Kind, from position: String?
    ) async throws -> (documents: [RevisedDocument], next: String?) {
        try live()
        return try await documents.scan(kind, from: position)
    }

    func write(
        _ document: Document, expecting expectation: DocumentExpectation, keptFor seconds: Int?
    ) async throws -> Int? {
        try live()
        return try await documents.write(document, expecting: expectation, keptFor: seconds)
    }

    func delete(_ key: DocumentKey, revision: Int?) async throws -> Bool {
        try live()
        return try await documents.delete(key, revision: revision)
    }

    func deleteAll(_ kind: DocumentKey.Kind, of parent: String) async throws {
        try live()
        try await documents.deleteAll(kind, of: parent)
    }

    func matching(_ reference: SessionReference, within scope: AccessScope, limit: Int) async throws -> [SessionKey] {
        try live()
        return try await sessions.matching(reference, within: scope, limit: limit)
    }

    func read(_ key: SessionKey, lastMessages: Int?) async throws -> StoredSession? {
        try live()
        return try await sessions.read(key, lastMessages: lastMessages)
    }

    func write(
        _ memory: WorkingMemory, expecting: SessionExpectation, writerStamp: Timestamp?, enqueueing jobs: [NewJob]
    ) async throws -> SessionRevision {
        try live()
        return try await sessions.write(memory, expecting: expecting, writerStamp: writerStamp, enqueueing: jobs)
    }

    func append(_ append: SessionAppend, to key: SessionKey) async throws -> StoredSession? {
        try live()
        return try await sessions.append(append, to: key)
    }

    func delete(_ key: SessionKey, expectedRevision: Int?) async throws -> Bool {
        try live()
        return try await sessions.delete(key, expectedRevision: expectedRevision)
    }

    func sessionIDs(
        namespace: String?, userID: String?, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<String> {
        try live()
        return try await sessions.sessionIDs(namespace: namespace, userID: userID, within: scope, page: page)
    }

    func markPersisted(memoryIDs: [String], messageIDs: [String], at: Timestamp, in key: SessionKey) async throws {
        try live()
        try await sessions.markPersisted(memoryIDs: memoryIDs, messageIDs: messageIDs, at: at, in: key)
    }

    func markExtracted(_ messages: [SessionMessage], in key: SessionKey) async throws {
        try live()
        try await sessions.markExtracted(messages, in: key)
    }
}
