public import AgentMemory

/// Hydrates a query: the earlier conversation, related long-term memories, and the query itself, as
/// messages for a model.
public struct MemoryPrompt: Sendable {
    private let sessions: WorkingMemorySessions
    private let memory: LongTermMemory

    public init(sessions: WorkingMemorySessions, memory: LongTermMemory) {
        self.sessions = sessions
        self.memory = memory
    }

    public struct Request: Sendable {
        public let query: String
        public let session: Session?
        public let search: Search?
        /// Whether a language model may rewrite the query of the search.
        public var optimizesQuery = false

        public struct Session: Sendable {
            public let selector: SessionSelector
            public let budget: ContextBudget?

            public init(selector: SessionSelector, budget: ContextBudget?) {
                self.selector = selector
                self.budget = budget
            }
        }

        public enum Search: Sendable {
            /// The results of the query among the memories of the session's user, except those of
            /// the session itself.
            case standard
            /// As requested; without a filter by user, the session's user is the filter.
            case custom(MemorySearch)
        }

        /// - Throws: ``MemoryError`` with code `invalidCombination` if there is neither a session
        ///   nor a search.
        public init(query: String, session: Session?, search: Search?) throws(MemoryError) {
            guard session != nil || search != nil else {
                throw MemoryError(.invalidCombination, "Either session or long_term_search must be provided")
            }
            self.query = query
            self.session = session
            self.search = search
        }
    }

    /// One message of a prompt.
    public struct Message: Sendable, Equatable {
        public enum Role: String, Sendable {
            case system, user, assistant
        }

        public let role: Role
        public let text: String
    }

    public struct Answer: Sendable {
        public let messages: [Message]
        /// The results of the search; `nil` if there was none, or none were found.
        public let memories: FoundMemories?
    }

    /// The default number of memories of a search.
    private static let standardLimit = 20

    /// An unknown session counts as an empty one.
    ///
    /// - Throws: ``MemoryError``: `conflict` if several sessions match, and what a search throws.
    public func answer(_ request: Request, for caller: Caller) async throws -> Answer {
        var messages: [Message] = []
        var userID: String?
        if let session = request.session {
            userID = session.selector.namedUserID
            if let found = try await found(session, for: caller) {
                userID = userID ?? found.key.userID
                messages += Self.messages(of: found)
            }
        }
        var memories: FoundMemories?
        if let search = request.search {
            var whole = try Self.search(search, for: request, userID: userID)
            whole.optimizesQuery = request.optimizesQuery
            let found = try await memory.search(whole, for: caller)
            messages.append(Self.message(of: found))
            memories = found.total > 0 ? found : nil
        }
        messages.append(Message(role: .user, text: request.query))
        return Answer(messages: messages, memories: memories)
    }

    private func found(_ session: Request.Session, for caller: Caller) async throws -> WorkingMemory? {
        do {
            return try await sessions.session(session.selector, budget: session.budget, for: caller).session.memory
        } catch let error as MemoryError where error.code == .notFound {
            return nil
        }
    }

    private static func messages(of session: WorkingMemory) -> [Message] {
        var messages: [Message] = []
        if let context = session.context, !context.isEmpty {
            messages.append(
                Message(role: .system, text: "## A summary of the conversation so far:\n\(context)"))
        }
        // Prompts have a user and an assistant: messages of other roles (a tool, the system) count
        // as the assistant's.
        return messages
            + session.messages.map { Message(role: $0.role == "user" ? .user : .assistant, text: $0.content) }
    }

    private static func message(of found: FoundMemories) -> Message {
        let lines = found.items.enumerated().map { index, hit in
            let line = "- \(hit.record.text) (ID: \(hit.record.id))"
            guard let around = found.neighbors?[index] else { return line }
            let before = around.before.map { "  before it: \($0.text)" }
            let after = around.after.map { "  after it: \($0.text)" }
            return ([line] + before + after).joined(separator: "\n")
        }
        let text = found.total > 0 ? lines.joined(separator: "\n") : "No relevant long-term memories found."
        return Message(role: .system, text: "## Long term memories related to the user's query\n \(text)")
    }

    private static func search(_ search: Request.Search, for request: Request, userID: String?) throws(MemoryError)
        -> MemorySearch
    {
        switch search {
        case .custom(let search):
            guard let userID, search.filter.tags[.userID] == nil else { return search }
            var tags = search.filter.tags
            tags[.userID] = try TagCondition(field: .userID, eq: userID)
            return try MemorySearch(
                text: search.query?.text, ranking: search.query?.ranking ?? .semantic(distanceThreshold: nil),
                filter: search.filter.with(tags: tags), page: search.page,
                recencyBoost: search.recencyBoost, explains: search.query?.explains ?? false,
                reranks: search.reranks, neighbors: search.neighbors)
        case .standard:
            var tags: [TagField: TagCondition] = [:]
            if let session = request.session {
                tags[.sessionID] = try TagCondition(field: .sessionID, ne: session.selector.sessionID)
            }
            if let userID { tags[.userID] = try TagCondition(field: .userID, eq: userID) }
            return try MemorySearch(
                text: request.query, ranking: .semantic(distanceThreshold: nil), filter: MemoryFilter(tags: tags),
                page: PageRequest(limit: standardLimit), recencyBoost: .standard)
        }
    }
}
