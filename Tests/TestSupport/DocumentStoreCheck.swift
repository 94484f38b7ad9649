public import AgentMemory
import Testing

/// What every store of documents must do.
///
/// - Parameters:
///   - store: prepared, and empty.
///   - other: another one on the same place.
public func checkDocuments(_ store: any DocumentStore, _ other: any DocumentStore) async throws {
    try await AccessScope.everything.limiting {
        try await checkWrites(store, other)
        try await checkLists(store, other)
        try await checkExpiry(store, other)
    }
}

private func document(
    _ id: String, parent: String = "", namespace: String? = nil, user: String? = nil, _ value: JSONValue = 1
) -> Document {
    Document(
        DocumentKey(.summaryPartition, id), parent: parent, namespace: namespace, userID: user,
        body: ["value": value, "text": "a \"text\"\u{0}\nof é"])
}

private func checkWrites(_ store: any DocumentStore, _ other: any DocumentStore) async throws {
    let key = DocumentKey(.summaryPartition, "a:b'\"\\é")
    let first = document(key.id, namespace: "n", user: "u")
    #expect(try await store.document(key) == nil)
    #expect(try await store.delete(key, revision: nil) == false)
    #expect(try await store.write(first, expecting: .revision(1), keptFor: nil) == nil)
    let revision = try #require(try await store.write(first, expecting: .absent, keptFor: nil))
    #expect(try await other.document(key) == RevisedDocument(first, revision: revision))
    #expect(try await other.write(first, expecting: .absent, keptFor: nil) == nil)
    let changed = document(key.id, namespace: "n", user: "u", 1.50)
    #expect(try await other.write(changed, expecting: .revision(revision - 1), keptFor: nil) == nil)
    let second = try #require(try await other.write(changed, expecting: .revision(revision), keptFor: nil))
    #expect(second != revision)
    #expect(try await store.write(first, expecting: .revision(revision), keptFor: nil) == nil)
    #expect(try await store.document(key) == RevisedDocument(changed, revision: second))
    let third = try #require(try await store.write(first, expecting: .anything, keptFor: nil))
    #expect(try await store.delete(key, revision: second) == false)
    #expect(try await other.delete(key, revision: third))
    let again = try #require(try await store.write(first, expecting: .absent, keptFor: nil))
    #expect(![revision, second, third].contains(again))
    #expect(try await store.document(DocumentKey(.task, key.id)) == nil)
    #expect(try await store.delete(key, revision: nil))
    // Of writers at the same time one succeeds.
    let successes = try await withThrowingTaskGroup { group in
        for number in 0..<20 {
            group.addTask {
                try await (number % 2 == 0 ? store : other).write(first, expecting: .absent, keptFor: nil) != nil
            }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(successes == 1)
    _ = try await store.delete(key, revision: nil)
}

private func checkLists(_ store: any DocumentStore, _ other: any DocumentStore) async throws {
    let documents = [
        document("c", parent: "p", namespace: "n"), document("a", parent: "p"),
        document("b", parent: "p", namespace: "n", user: "u"), document("d", parent: "q", namespace: "n"),
    ]
    for document in documents { _ = try await store.write(document, expecting: .anything, keptFor: nil) }
    func ids(_ parent: String, _ scope: AccessScope = .everything, limit: Int = 10, offset: Int = 0) async throws
        -> ([String], Int)
    {
        let page = try await other.documents(
            .summaryPartition, of: parent, within: scope, page: try PageRequest(limit: limit, offset: offset))
        return (page.items.map(\.document.key.id), page.total)
    }
    #expect(try await ids("p") == (["a", "b", "c"], 3))
    #expect(try await ids("p", limit: 1, offset: 1) == (["b"], 3))
    #expect(try await ids("nothing") == ([], 0))
    let scope = AccessScope(namespaces: PermittedValues(exactly: ["n"]))
    #expect(try await ids("p", scope) == (["b", "c"], 2))
    #expect(try await ids("p", AccessScope(users: PermittedValues(exactly: ["u"]))) == (["b"], 1))
    try await store.deleteAll(.summaryPartition, of: "p")
    #expect(try await ids("p") == ([], 0))
    #expect(try await ids("q") == (["d"], 1))
    // Views have no parent, and are listed all the same.
    let view = Document(DocumentKey(.summaryView, "v"), namespace: nil, userID: nil, body: [:])
    _ = try await store.write(view, expecting: .absent, keptFor: nil)
    let page = try await other.documents(.summaryView, of: "", within: .everything, page: try PageRequest())
    #expect(page.items.map(\.document) == [view] && page.total == 1)
    _ = try await other.delete(view.key, revision: nil)
    #expect(
        try await store.documents(.summaryView, of: "", within: .everything, page: try PageRequest()).total == 0)
}

private func checkExpiry(_ store: any DocumentStore, _ other: any DocumentStore) async throws {
    let brief = document("brief", parent: "e")
    let revision = try #require(try await store.write(brief, expecting: .absent, keptFor: 1))
    try await eventually("the document has expired") { try await other.document(brief.key) == nil }
    #expect(try await store.write(brief, expecting: .revision(revision), keptFor: 1) == nil)
    let page = try await other.documents(.summaryPartition, of: "e", within: .everything, page: try PageRequest())
    #expect(page.items.isEmpty)
    #expect(try await store.write(brief, expecting: .absent, keptFor: nil) != nil)
    #expect(try await other.document(brief.key) != nil)
}
