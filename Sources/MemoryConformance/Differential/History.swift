public import AgentMemory

/// A sequence of calls to which two backends must respond alike.
///
/// Its vectors are in its texts: a replay embeds with a ``SteeredEmbedder``. Its text form is
/// ``script``.
public struct History: Sendable, Equatable {
    public enum Step: Sendable, Equatable {
        /// With a fault, the embedder fails in this way during the call.
        case add([MemoryRecord], SteeredEmbedder.Fault? = nil)
        case update([RecordUpdate], SteeredEmbedder.Fault? = nil)
        case delete([String])
        case count(MemoryFilter)
        case list(ListQuery)
        case search(SearchQuery)
        /// All pages, each as long as the query's limit, one after the other; also compared with
        /// one large page (rule P5).
        case listInPages(ListQuery)
        case searchInPages(SearchQuery)
    }

    public var steps: [Step]

    public init(steps: [Step]) {
        self.steps = steps
    }

    /// The date of a record without another one, so that a history does not depend on a clock.
    public static let defaultDate = at(0)
}
