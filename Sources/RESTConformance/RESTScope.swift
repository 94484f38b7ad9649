import AgentMemory
import MemoryConformance
import Synchronization

/// A part of a server's store that belongs to one check, made of names alone: ids and namespaces
/// have their own prefix.
///
/// A record without a namespace gets the prefix as its namespace; one with a namespace gets the
/// prefix and then the namespace. A condition on the namespace is therefore enough to see this
/// scope and nothing else. Records in responses are translated back into what the check sent.
final class RESTScope: Sendable {
    /// Values that only the server sets, although a check sets them.
    private struct Shown {
        let persistedAt: Timestamp?
        var updatedAt: Timestamp
        /// The time of the server's own last edit; it is replaced by `updatedAt`.
        var editedAt: Timestamp?
    }

    private struct State {
        /// In the server's names, of every record that may be stored.
        var ids: Set<ExactString> = []
        var namespaces: Set<ExactString> = []
        /// The hashes that the server computes, by the check's own.
        var hashes: [String: String] = [:]
        /// By the check's ids.
        var shown: [ExactString: Shown] = [:]
    }

    /// The prefix of every id and every namespace. 12 bytes: names of 500 bytes, which checks use,
    /// just fit.
    let prefix: String
    private let state = Mutex(State())

    init() {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        prefix = "kit-" + String((0..<7).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] }) + "~"
    }

    // MARK: Names

    /// The id on the server.
    func id(_ own: String) throws(NotApplicable) -> String { try prefixed(own, "an id") }

    /// The namespace on the server.
    func namespace(_ own: String?) throws(NotApplicable) -> String { try prefixed(own ?? "", "a namespace") }

    private func prefixed(_ own: String, _ what: String) throws(NotApplicable) -> String {
        guard prefix.utf8.count + own.utf8.count <= 512 else {
            throw NotApplicable("\(what) of \(own.utf8.count) bytes has no room for the prefix of the scope")
        }
        return prefix + own
    }

    /// The check's own part of a name; `nil` for a name that is not of this scope.
    func own(_ name: String) -> String? {
        guard name.utf8.starts(with: prefix.utf8) else { return nil }
        return String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    }

    /// The hash that the server computed for the check's hash `own`.
    func hash(_ own: String) -> String { state.withLock { $0.hashes[own] ?? own } }

    /// Every namespace that records of this scope may have.
    var namespaces: [String] { state.withLock { $0.namespaces.sorted().map(\.value) } }

    // MARK: What is stored

    /// The ids that must still be removed.
    var storedIDs: [String] { state.withLock { $0.ids.sorted().map(\.value) } }

    /// Notes ids that the server may store from now on.
    func willStore(_ ids: some Sequence<String>) {
        state.withLock { state in
            for id in ids { state.ids.insert(ExactString(id)) }
        }
    }

    func willUse(namespace: String) {
        state.withLock { _ = $0.namespaces.insert(ExactString(namespace)) }
    }

    func didRemove(_ ids: some Sequence<String>) {
        state.withLock { state in
            for id in ids { state.ids.remove(ExactString(id)) }
        }
    }

    /// Notes that a record is now `own`: in the check's names, and in the server's.
    func willHash(_ own: MemoryRecord, storedHash: String) {
        state.withLock { $0.hashes[own.computedHash()] = storedHash }
    }

    func didAdd(_ own: MemoryRecord) {
        state.withLock {
            $0.shown[ExactString(own.id)] = Shown(persistedAt: own.persistedAt, updatedAt: own.updatedAt)
        }
    }

    /// Notes the time that the server gave to an edit, and the one that the check gave, if any.
    func didEdit(_ ownID: String, at editedAt: Timestamp, shownAs given: Timestamp?) {
        state.withLock { state in
            guard var shown = state.shown[ExactString(ownID)] else { return }
            shown.editedAt = max(editedAt, shown.editedAt ?? editedAt)
            if let given { shown.updatedAt = given }
            state.shown[ExactString(ownID)] = shown
        }
    }

    // MARK: Translation

    /// A record of the server in the check's names.
    ///
    /// `memory_hash` is translated if it is right for what the server stores, and kept otherwise,
    /// so that a wrong one shows. `persisted_at`, and the `updated_at` of an edit, are set by the
    /// server: the check sees the values that it sent.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for a record outside this scope: a
    ///   filter did not apply.
    func own(_ stored: MemoryRecord) throws(MemoryError) -> MemoryRecord {
        guard let id = own(stored.id) else {
            throw MemoryError(.internalError, "the server returned a record that the filter does not match")
        }
        // A namespace without its prefix is wrong, and shown as it is.
        let namespace = stored.namespace.map { own($0) ?? $0 }
        let shown = state.withLock { $0.shown[ExactString(id)] }
        let isEdited = shown?.editedAt == stored.updatedAt
        return stored.renamed(
            id: id, namespace: namespace?.isEmpty == true ? nil : namespace,
            updatedAt: isEdited ? shown?.updatedAt ?? stored.updatedAt : stored.updatedAt,
            persistedAt: shown.map(\.persistedAt) ?? stored.persistedAt)
    }
}

extension MemoryRecord {
    /// The record under other names; its hash is computed again if it was right.
    fileprivate func renamed(
        id: String, namespace: String?, updatedAt: Timestamp, persistedAt: Timestamp?
    ) -> MemoryRecord {
        let renamedHash = MemoryHash.compute(
            text: text, userID: userID, sessionID: sessionID, namespace: namespace, memoryType: memoryType)
        return MemoryRecord(
            storedID: id, text: text, sessionID: sessionID, userID: userID, namespace: namespace,
            memoryType: memoryType, topics: topics, entities: entities, extractedFrom: extractedFrom,
            discreteMemoryExtracted: discreteMemoryExtracted, extractionStrategy: extractionStrategy,
            extractionStrategyConfig: extractionStrategyConfig, metadata: metadata,
            memoryHash: memoryHash == computedHash() ? renamedHash : memoryHash, pinned: pinned,
            accessCount: accessCount, createdAt: createdAt, lastAccessed: lastAccessed, updatedAt: updatedAt,
            persistedAt: persistedAt, eventDate: eventDate, expiresAt: expiresAt)
    }
}
