public import AgentMemory

/// A sequence of calls, which two backends must answer alike.
///
/// Its vectors are in its texts: whoever replays it embeds with a ``SteeredEmbedder``. Its text
/// form is ``script``.
public struct History: Sendable, Equatable {
    public enum Step: Sendable, Equatable {
        /// With a fault, the embedder fails in this way for the length of the call.
        case add([MemoryRecord], SteeredEmbedder.Fault? = nil)
        case update([RecordUpdate], SteeredEmbedder.Fault? = nil)
        case delete([String])
        case count(MemoryFilter)
        case list(ListQuery)
        case search(SearchQuery)
        /// All pages, each as long as the query's limit, one after the other; compared with one
        /// large page too (rule P5).
        case listInPages(ListQuery)
        case searchInPages(SearchQuery)
    }

    public var steps: [Step]

    public init(steps: [Step]) {
        self.steps = steps
    }

    /// The date that a record has where nothing else is said, so that no clock enters a history.
    public static let defaultDate = at(0)
}
