import AgentMemory

extension DocumentStore {
    /// Stores a document that no reader of its kind accepts.
    func writeUnreadable(_ kind: DocumentKey.Kind, _ id: String) async throws {
        _ = try await write(
            Document(DocumentKey(kind, id), namespace: nil, userID: nil, body: ["from": "a later version"]),
            expecting: .absent, keptFor: nil)
    }
}
