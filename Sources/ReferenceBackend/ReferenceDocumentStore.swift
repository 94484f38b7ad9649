public import AgentMemory

/// Documents in memory; they end with the process.
public actor ReferenceDocumentStore: DocumentStore {
    private struct Entry {
        var stored: RevisedDocument
        var expiresAt: Timestamp?
    }

    public nonisolated let name = "reference"

    private var entries: [DocumentKey: Entry] = [:]
    private var lastRevision = 0
    private let now: @Sendable () -> Timestamp

    /// - Parameter now: the clock of expiry.
    public init(now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }) {
        self.now = now
    }

    public func prepare() {}

    public func close() {}

    public func health() -> [ComponentHealth] {
        [ComponentHealth("documents", version: "in memory")]
    }

    public func document(_ key: DocumentKey) -> RevisedDocument? {
        guard let entry = entries[key] else { return nil }
        if let end = entry.expiresAt, end <= now() {
            entries[key] = nil
            return nil
        }
        return entry.stored
    }

    public func documents(
        _ kind: DocumentKey.Kind, of parent: String, within scope: AccessScope, page: PageRequest
    ) -> Page<RevisedDocument> {
        let found = keys(kind, parent).compactMap { document($0) }.filter {
            scope.contains(namespace: $0.document.namespace, userID: $0.document.userID)
        }.sorted { ExactString($0.document.key.id) < ExactString($1.document.key.id) }
        return Page(of: found, request: page)
    }

    public func scan(
        _ kind: DocumentKey.Kind, from position: String?
    ) -> (documents: [RevisedDocument], next: String?) {
        (entries.keys.filter { $0.kind == kind }.compactMap { document($0) }, nil)
    }

    @discardableResult
    public func write(
        _ document: Document, expecting expectation: DocumentExpectation, keptFor seconds: Int?
    ) -> Int? {
        let stored = self.document(document.key)
        switch expectation {
        case .anything: break
        case .absent: guard stored == nil else { return nil }
        case .revision(let number): guard stored?.revision == number else { return nil }
        }
        lastRevision += 1
        entries[document.key] = Entry(
            stored: RevisedDocument(document, revision: lastRevision),
            expiresAt: seconds.map { now().advanced(bySeconds: Int64($0)) })
        return lastRevision
    }

    @discardableResult
    public func delete(_ key: DocumentKey, revision: Int?) -> Bool {
        guard let stored = document(key), revision == nil || revision == stored.revision else { return false }
        entries[key] = nil
        return true
    }

    public func deleteAll(_ kind: DocumentKey.Kind, of parent: String) {
        for key in keys(kind, parent) { entries[key] = nil }
    }

    private func keys(_ kind: DocumentKey.Kind, _ parent: String) -> [DocumentKey] {
        entries.filter { $0.key.kind == kind && ExactString($0.value.stored.document.parent) == ExactString(parent) }
            .map(\.key)
    }
}
