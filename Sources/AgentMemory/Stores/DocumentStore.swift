/// A store of documents, which any number of servers share.
///
/// ``Store/health()`` has the component `documents`. All calls may run at the same time, from
/// several processes; each is atomic and ends within the deadline that the store was configured
/// with. Every failure is a ``MemoryError``. A document whose time is over does not exist.
public protocol DocumentStore: Store {
    /// The document; `nil` if there is none.
    func document(_ key: DocumentKey) async throws -> RevisedDocument?

    /// The documents of a kind with this parent whose owner is within the scope, by the bytes of
    /// their ids, with their total.
    func documents(
        _ kind: DocumentKey.Kind, of parent: String, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<RevisedDocument>

    /// Every document of a kind, in pages of no certain size and order. A document that exists from
    /// the first page to the last is in one of them at least.
    ///
    /// - Parameters:
    ///   - kind: of the documents.
    ///   - position: `next` of the page before; `nil` for the first one.
    /// - Returns: a page, and where the next one begins; `next` is `nil` with the last page.
    func scan(
        _ kind: DocumentKey.Kind, from position: String?
    ) async throws -> (documents: [RevisedDocument], next: String?)

    /// Writes a document whole.
    ///
    /// - Parameters:
    ///   - document: its parent is that of the stored one, if there is one.
    ///   - expectation: what must be stored.
    ///   - seconds: how long it is kept from now, at least 1; `nil` for ever.
    /// - Returns: the new revision; `nil`, changing nothing, if something else is stored.
    @discardableResult
    func write(
        _ document: Document, expecting expectation: DocumentExpectation, keptFor seconds: Int?
    ) async throws -> Int?

    /// Removes a document.
    ///
    /// - Parameters:
    ///   - key: the identity of the document.
    ///   - revision: what must be stored; `nil` removes any.
    /// - Returns: whether it was removed.
    @discardableResult
    func delete(_ key: DocumentKey, revision: Int?) async throws -> Bool

    /// Removes all documents of a kind with this parent.
    func deleteAll(_ kind: DocumentKey.Kind, of parent: String) async throws
}
