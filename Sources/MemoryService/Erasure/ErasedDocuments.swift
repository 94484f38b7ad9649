import AgentMemory

/// Removes the documents of a scope: what is derived from its memories and sessions, and what
/// belongs to its owner.
struct ErasedDocuments {
    let scope: ErasureScope
    let documents: any DocumentStore
    private(set) var documentCount = 0
    private(set) var taskCount = 0

    init(_ scope: ErasureScope, in documents: any DocumentStore) {
        self.scope = scope
        self.documents = documents
    }

    mutating func erase() async throws {
        let scope = scope
        for kind in [DocumentKey.Kind.extraction, .sessionSummary] {
            let removed = try await erase(kind) { Self.isOfSession(in: scope, $0) }
            documentCount += removed
        }
        // Those of a session hold no more than a hash of its memories.
        let comparisons = try await erase(.comparison) {
            scope.sessionID == nil && scope.reaches(namespace: $0.namespace, userID: $0.userID)
        }
        let usage = try await erase(.usage) { document in
            guard let namespace = scope.namespace, scope.userID == nil, scope.sessionID == nil else { return false }
            return document.namespace.map(ExactString.init) == ExactString(namespace)
        }
        var erasedViews: Set<String> = []
        var views: [String: SummaryView] = [:]
        try await forEach(.summaryView) { stored in
            let view = try SummaryView(stored.document)
            if Self.isOwn(view, of: scope) { erasedViews.insert(view.id) }
            views[view.id] = view
        }
        // What rests on memories of the scope, and what may rest on them: the next run makes it
        // again from what is left.
        let partitions = try await erase(.summaryPartition) { document in
            let view = views[document.parent]
            if erasedViews.contains(document.parent) { return true }
            let group = try SummaryPartition(document).group
            let wanted: [(SummaryView.GroupField, String?)] = [
                (.namespace, scope.namespace), (.userID, scope.userID), (.sessionID, scope.sessionID),
            ]
            return wanted.allSatisfy { field, value in
                guard let value, let known = group[field] ?? view?.only(field) else { return true }
                return ExactString(known) == ExactString(value)
            }
        }
        for (id, view) in views where !erasedViews.contains(id) { try await takeOut(of: view) }
        let schedules = try await erase(.schedule) { erasedViews.contains($0.key.id) }
        let tasks = try await erase(.task) { document in
            if let view = document.body["view_id"]?.stringValue { return erasedViews.contains(view) }
            return scope.contains(
                namespace: document.namespace, userID: document.userID,
                sessionID: document.body["session_id"]?.stringValue)
        }
        let operations = try await erase(.operation) { scope.revision(of: $0.body) == .remove }
        // Last, so that an interrupted erasure finds them again.
        let definitions = try await erase(.summaryView) { erasedViews.contains($0.key.id) }
        documentCount += comparisons + usage + partitions + schedules + operations + definitions
        taskCount += tasks
    }

    private static func isOwn(_ view: SummaryView, of scope: ErasureScope) -> Bool {
        scope.contains(
            namespace: view.only(.namespace), userID: view.only(.userID), sessionID: view.only(.sessionID))
    }

    /// The document of a session, or of a memory from one, tells its owner, and the session only by
    /// a fingerprint.
    private static func isOfSession(in scope: ErasureScope, _ document: Document) -> Bool {
        guard scope.reaches(namespace: document.namespace, userID: document.userID) else { return false }
        guard let sessionID = scope.sessionID else { return true }
        let key = SessionKey(
            storedSessionID: sessionID, namespace: document.namespace, userID: document.userID)
        return document.key.id == key.fingerprint || document.parent == key.fingerprint
    }

    /// Removes the one value that was erased from the lists in the filters of a view.
    private func takeOut(of view: SummaryView) async throws {
        guard scope.parts.count == 1, let (field, value) = scope.parts.first,
            let filter = view.definition.filters[field.rawValue],
            let rest = Self.without(value, filter), rest.jsonText != filter.jsonText
        else { return }
        guard let stored = try await documents.document(SummaryView.key(view.id)) else { return }
        var document = stored.document
        guard var filters = document.body["filters"]?.objectValue else { return }
        filters[field.rawValue] = rest
        document.body["filters"] = .object(filters)
        _ = try await documents.write(document, expecting: .revision(stored.revision), keptFor: nil)
    }

    /// A list that would be empty, and matches nothing, names a value that nothing has.
    private static func without(_ value: String, _ filter: JSONValue) -> JSONValue? {
        switch filter {
        case .array(let values):
            let rest = values.filter { $0.stringValue.map(ExactString.init) != ExactString(value) }
            return .array(rest.isEmpty ? [.string("erased-\(ULID.make())")] : rest)
        case .object(let operators):
            var changed = operators
            for (name, operand) in operators.members {
                if operand.arrayValue != nil, let rest = without(value, operand) { changed[name] = rest }
                if operand.stringValue.map(ExactString.init) == ExactString(value) {
                    changed[name] = .string("erased-\(ULID.make())")
                }
            }
            return .object(changed)
        default: return nil
        }
    }

    private func erase(_ kind: DocumentKey.Kind, where isErased: (Document) throws -> Bool) async throws -> Int {
        var doomed: [DocumentKey] = []
        try await forEach(kind) { if try isErased($0.document) { doomed.append($0.document.key) } }
        var removed = 0
        for key in doomed where try await documents.delete(key, revision: nil) { removed += 1 }
        return removed
    }

    private func forEach(_ kind: DocumentKey.Kind, _ body: (RevisedDocument) throws -> Void) async throws {
        var position: String?
        repeat {
            let page = try await documents.scan(kind, from: position)
            for document in page.documents { try body(document) }
            position = page.next
        } while position != nil
    }
}
