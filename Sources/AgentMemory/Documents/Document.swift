/// What a server keeps about memories and sessions in addition to them: a JSON object with an
/// owner.
public struct Document: Sendable, Equatable {
    public let key: DocumentKey
    /// What ``DocumentStore/documents(_:of:within:page:)`` finds it by, such as the id of the view
    /// that a partition belongs to; empty for none.
    public let parent: String
    /// Whose it is, as with records.
    public let namespace: String?
    public let userID: String?
    public var body: JSONObject

    public init(_ key: DocumentKey, parent: String = "", namespace: String?, userID: String?, body: JSONObject) {
        self.key = key
        self.parent = parent
        self.namespace = namespace
        self.userID = userID
        self.body = body
    }
}

/// The identity of a document.
public struct DocumentKey: Sendable, Hashable {
    /// What a document is about. Stores keep the raw values, so one that was in use must keep its
    /// meaning.
    public enum Kind: String, Sendable, CaseIterable {
        /// The messages of a session that are being extracted, and what was extracted from them.
        case extraction
        /// The summary of a session's earlier messages.
        case sessionSummary = "session_summary"
        case summaryView = "summary_view"
        case summaryPartition = "summary_partition"
        case task
        /// When a continuous view was started last; it expires when the next run is due.
        case schedule
        /// What erasures need to know of each other.
        case erasure
        /// A group of memories that a language model has compared; it is not asked again.
        case comparison
        /// A call at work that writes in several batches.
        case operation
        /// What a language model has used for one task and namespace.
        case usage
    }

    public let kind: Kind
    /// 1 to 512 bytes without control characters.
    public let id: String

    public init(_ kind: Kind, _ id: String) {
        self.kind = kind
        self.id = id
    }

    /// Whether a document can have this id.
    public var isPossible: Bool { (try? FieldRules.checkedID(id)) != nil }

    public static func == (a: DocumentKey, b: DocumentKey) -> Bool {
        a.kind == b.kind && ExactString(a.id) == ExactString(b.id)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(kind)
        hasher.combine(ExactString(id))
    }
}

/// A document as a store returns it.
public struct RevisedDocument: Sendable, Equatable {
    public let document: Document
    /// Another number after each write.
    public let revision: Int

    public init(_ document: Document, revision: Int) {
        self.document = document
        self.revision = revision
    }
}

/// What a write of a document expects to find.
public enum DocumentExpectation: Sendable, Equatable {
    case anything
    /// None; an expired one does not count.
    case absent
    case revision(Int)
}
