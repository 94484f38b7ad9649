public import AgentMemory

/// Stores of sessions and documents, used by a process that dies.
public final class DyingStores: WorkingMemoryStore, DocumentStore {
    private let sessions: any WorkingMemoryStore
    private let documents: any DocumentStore
    private let process: DyingProcess

    public let name = "dying"

    public init(_ sessions: any WorkingMemoryStore, _ documents: any DocumentStore, in process: DyingProcess) {
        self.sessions = sessions
        self.documents = documents
        self.process = process
    }

    /// - Parameter calls: the number of calls that succeed.
    public convenience init(
        _ sessions: any WorkingMemoryStore, _ documents: any DocumentStore, after calls: Int
    ) {
        self.init(sessions, documents, in: DyingProcess(after: calls))
    }

    public func prepare() async throws {}
    public func close() async {}
    public func health() async -> [ComponentHealth] { [] }

    public func document(_ key: DocumentKey) async throws -> RevisedDocument? {
        try await process.call { try await documents.document(key) }
    }

    public func documents(
        _ kind: DocumentKey.Kind, of parent: String, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<RevisedDocument> {
        try await process.call { try await documents.documents(kind, of: parent, within: scope, page: page) }
    }

    public func scan(
        _ kind: DocumentKey.Kind, from position: String?
    ) async throws -> (documents: [RevisedDocument], next: String?) {
        try await process.call { try await documents.scan(kind, from: position) }
    }

    public func write(
        _ document: Document, expecting expectation: DocumentExpectation, keptFor seconds: Int?
    ) async throws -> Int? {
        try await process.call { try await documents.write(document, expecting: expectation, keptFor: seconds) }
    }

    public func delete(_ key: DocumentKey, revision: Int?) async throws -> Bool {
        try await process.call { try await documents.delete(key, revision: revision) }
    }

    public func deleteAll(_ kind: DocumentKey.Kind, of parent: String) async throws {
        try await process.call { try await documents.deleteAll(kind, of: parent) }
    }

    public func matching(_ reference: SessionReference, within scope: AccessScope, limit: Int) async throws
        -> [SessionKey]
    {
        try await process.call { try await sessions.matching(reference, within: scope, limit: limit) }
    }

    public func read(_ key: SessionKey, lastMessages: Int?) async throws -> StoredSession? {
        try await process.call { try await sessions.read(key, lastMessages: lastMessages) }
    }

    public func write(
        _ memory: WorkingMemory, expecting: SessionExpectation, writerStamp: Timestamp?, enqueueing jobs: [NewJob]
    ) async throws -> SessionRevision {
        try await process.call {
            try await sessions.write(memory, expecting: expecting, writerStamp: writerStamp, enqueueing: jobs)
        }
    }

    public func append(_ append: SessionAppend, to key: SessionKey) async throws -> StoredSession? {
        try await process.call { try await sessions.append(append, to: key) }
    }

    public func delete(_ key: SessionKey, expectedRevision: Int?) async throws -> Bool {
        try await process.call { try await sessions.delete(key, expectedRevision: expectedRevision) }
    }

    public func sessionIDs(
        namespace: String?, userID: String?, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<String> {
        try await process.call {
            try await sessions.sessionIDs(namespace: namespace, userID: userID, within: scope, page: page)
        }
    }

    public func markPersisted(memoryIDs: [String], messageIDs: [String], at: Timestamp, in key: SessionKey) async throws
    {
        try await process.call {
            try await sessions.markPersisted(memoryIDs: memoryIDs, messageIDs: messageIDs, at: at, in: key)
        }
    }

    public func markExtracted(_ messages: [SessionMessage], in key: SessionKey) async throws {
        try await process.call { try await sessions.markExtracted(messages, in: key) }
    }
}
