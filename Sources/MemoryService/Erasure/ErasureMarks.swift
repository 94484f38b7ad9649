public import AgentMemory

/// Marks of what was erased: work that was handed in before does not bring any of it back.
///
/// A mark is a salted hash of the scope. The salt is made with the first erasure, and stays in the
/// store; so a hash tells who was erased only to those who read the store and try a name. A
/// mark is a note of a deletion, and is kept as long as one (``DeletionNote/keptSeconds``).
public struct ErasureMarks: Sendable {
    private let documents: any DocumentStore
    private let notes: any DeletionNotes

    private static let saltKey = DocumentKey(.erasure, "salt")

    /// - Parameters:
    ///   - documents: has the salt.
    ///   - notes: has the marks.
    public init(documents: any DocumentStore, notes: any DeletionNotes) {
        self.documents = documents
        self.notes = notes
    }

    /// Marks a scope as erased now, by the clock of the notes.
    ///
    /// - Returns: the hash of the scope: 64 hexadecimal digits of SHA-256 over the salt and the
    ///   parts of the scope.
    func mark(_ scope: ErasureScope) async throws -> String {
        var salt = try await salt()
        if salt == nil {
            var generator = SystemRandomNumberGenerator()
            let digits = (0..<4).map { _ in String(generator.next(), radix: 16) }.joined()
            let document = Document(
                Self.saltKey, namespace: nil, userID: nil, body: ["salt": .string(digits)])
            try await AccessScope.everything.limiting {
                _ = try await documents.write(document, expecting: .absent, keptFor: nil)
            }
            salt = try await self.salt()
        }
        guard let salt else { throw MemoryError(.internalError, "the salt of erasures was not kept") }
        let hash = Self.hash(scope.namespace, scope.userID, scope.sessionID, salt)
        try await notes.noteDeleted([Self.note(hash)])
        return hash
    }

    /// Which of the records are within a scope that was erased after they had been handed in.
    func erased(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> Set<ExactString> {
        guard !records.isEmpty, let salt = try await salt() else { return [] }
        var owners: [ExactString: [String]] = [:]
        for record in records {
            owners[ExactString(record.id)] = Self.scopes(of: record).map { Self.note(Self.hash($0, $1, $2, salt)) }
        }
        let marked = Set(
            try await notes.deleted(owners.values.flatMap(\.self).exactlyDistinct(), since: handedInAt)
                .map(ExactString.init))
        return Set(owners.filter { $0.value.contains { marked.contains(ExactString($0)) } }.keys)
    }

    /// The scopes that contain a record.
    private static func scopes(of record: MemoryRecord) -> [(String?, String?, String?)] {
        var scopes: [(String?, String?, String?)] = []
        for namespace in [record.namespace, nil].exactlyDistinctParts() {
            for user in [record.userID, nil].exactlyDistinctParts() {
                for session in [record.sessionID, nil].exactlyDistinctParts() {
                    if namespace != nil || user != nil || session != nil { scopes.append((namespace, user, session)) }
                }
            }
        }
        return scopes
    }

    private func salt() async throws -> String? {
        try await AccessScope.everything.limiting {
            try await documents.document(Self.saltKey)?.document.body["salt"]?.stringValue
        }
    }

    private static func hash(_ namespace: String?, _ user: String?, _ session: String?, _ salt: String) -> String {
        Fingerprint.of([salt, "erasure", namespace ?? "", user ?? "", session ?? ""])
    }

    /// No record has it as its id.
    private static func note(_ hash: String) -> String { "erasure\u{1F}\(hash)" }
}

extension [String?] {
    /// A value and its absence, or only the absence.
    fileprivate func exactlyDistinctParts() -> [String?] { self[0] == nil ? [nil] : self }
}
