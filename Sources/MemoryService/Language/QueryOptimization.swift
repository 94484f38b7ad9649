public import AgentMemory
public import Logging
public import Prompts

/// Rewrites queries for semantic search by a language model. A search never fails for it: whatever
/// goes wrong, the query stays as it was.
public struct QueryOptimization: Sendable {
    /// What became of one query.
    public enum Outcome: Sendable, Equatable {
        case rewritten(String)
        /// The query is the client's, for this reason.
        case left(String)
    }

    /// The length of an answer that is taken for a query, in bytes of UTF-8: more is an essay.
    static let maximumBytes = 2000

    public let model: any LanguageModel
    private let prompt: PromptTemplate
    private let minimumLength: Int
    private let timeLimit: Duration
    private let logger: Logger

    /// - Parameters:
    ///   - model: the one that rewrites.
    ///   - prompt: with the place `query`.
    ///   - minimumLength: shorter answers, in characters, are not used.
    ///   - timeLimit: how long a search waits for the model.
    ///   - logger: gets the reasons of failures.
    public init(
        by model: any LanguageModel, prompt: PromptTemplate = .queryOptimization, minimumLength: Int = 2,
        timeLimit: Duration = .seconds(5), logger: Logger
    ) {
        self.model = model
        self.prompt = prompt
        self.minimumLength = minimumLength
        self.timeLimit = timeLimit
        self.logger = logger
    }

    /// - Parameter scope: what the caller may reach.
    /// - Throws: `CancellationError`.
    func outcome(of query: SearchQuery, within scope: AccessScope) async throws -> Outcome {
        guard query.ranking.isSemantic else { return .left("only semantic searches are rewritten") }
        let condition = query.filter.tags[.namespace]
        guard let namespaces = model.reach.namespaces(ofTextAbout: condition, within: scope.namespaces) else {
            return .left("queries in these namespaces are not sent to language models")
        }
        let request = LanguageRequest(
            .queryOptimization, prompt: prompt.filled(with: ["query": query.text.quotedLines]), quoting: [query.text],
            namespace: condition?.all.first, textsOf: namespaces, timeLimit: timeLimit)
        do {
            return outcome(try await model.answer(request))
        } catch let error as MemoryError {
            logger.warning("a query was not rewritten", metadata: ["error": "\(error)"])
            // Without the message, which may quote the service.
            return .left(
                error.code == .timedOut
                    ? "the language model did not answer in time" : "the language model failed; the log says why")
        }
    }

    private func outcome(_ answer: LanguageAnswer) -> Outcome {
        guard answer.isWhole else { return .left("the language model's answer was cut off") }
        let text = Self.withoutQuotes(answer.text)
        guard text.count >= minimumLength else { return .left("the language model's answer was too short") }
        let isQuery = text.utf8.count <= Self.maximumBytes && !text.contains(where: \.isNewline)
        guard isQuery, !SearchQuery.isBlank(text),
            !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
        else {
            return .left("the language model's answer was not a query")
        }
        return .rewritten(text)
    }

    /// Trimmed, and without the quotation marks that models put around a whole answer.
    private static func withoutQuotes(_ answer: String) -> String {
        let text = answer.trimmed
        guard text.count > 2, text.first == "\"", text.last == "\"",
            text.dropFirst().dropLast().firstIndex(of: "\"") == nil
        else { return text }
        return String(text.dropFirst().dropLast()).trimmed
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        var rest = self[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}

extension SearchQuery {
    var hasThreshold: Bool {
        if case .semantic(.some) = ranking { true } else { false }
    }
}

extension SearchQuery.Ranking {
    /// Whether the meaning of the query alone decides: a rewritten text has other words.
    fileprivate var isSemantic: Bool {
        switch self {
        case .semantic, .semanticWithRecency: true
        case .blended(let ranking): ranking.base == .semantic
        case .keyword, .hybrid: false
        }
    }
}
