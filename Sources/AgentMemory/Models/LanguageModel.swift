/// Completes a text: a chat model of a service. Which model answers is decided where the server is
/// put together.
public protocol LanguageModel: Sendable {
    /// The model's name as messages show it.
    var model: String { get }

    /// Whose texts it may be sent. Who asks leaves the others out; the model refuses what was
    /// forgotten.
    var reach: LanguageReach { get }

    /// The model's answer to a prompt.
    ///
    /// - Throws: ``MemoryError`` with code `timedOut` when the request's time limit or the model's
    ///   own has passed, `languageModelFailed` for what a later call may mend,
    ///   `languageModelRefused` for what needs another setting, `languageModelRefusedPrompt` for
    ///   what needs another prompt, `languageModelUnusable` for a response without an answer;
    ///   `CancellationError`.
    func answer(_ request: LanguageRequest) async throws -> LanguageAnswer

    /// Whether the model can answer, known from recent calls, because a call of its own would cost
    /// money; `nil` when it can, otherwise why not, in one sentence without secrets.
    func unavailability() async -> String?

    /// What has been used since the start, ordered by task and namespace.
    var usage: [LanguageUsage] { get }
}

extension LanguageModel {
    /// Everything.
    public var reach: LanguageReach { .everything }
}

extension MemoryError {
    /// Whether a language model has no answer to this prompt, while it may answer others.
    public var concernsPrompt: Bool { [.languageModelRefusedPrompt, .languageModelUnusable].contains(code) }
}

/// What a language model is asked for; the usage is counted by it.
public enum LanguageTask: String, Sendable, CaseIterable {
    case queryOptimization = "query_optimization"
    case extraction
    case sessionSummary = "session_summary"
    case summaryView = "summary_view"
    case deduplication
    case tags
}

/// What an answer must look like. A service that knows no such formats is asked without one: the
/// prompt says it as well.
public enum AnswerFormat: Sendable, Equatable {
    case text
    /// JSON that follows a schema.
    case json(AnswerSchema)
}

/// The JSON schema of an answer.
public struct AnswerSchema: Sendable, Equatable {
    /// Letters, digits, `_` and `-`.
    public let name: String
    /// In the part of JSON Schema that services call strict: every property is required, and no
    /// other is permitted.
    public let schema: JSONObject

    public init(name: String, schema: JSONObject) {
        self.name = name
        self.schema = schema
    }
}

/// One request to a language model.
public struct LanguageRequest: Sendable {
    public let task: LanguageTask
    /// The whole message of the role `user`.
    public let prompt: String
    /// The users' texts in the prompt; messages never quote them.
    public let quotes: [String]
    /// What the tokens are counted for; `nil` for no namespace.
    public let namespace: String?
    /// The namespaces of the users' texts in the prompt, and the one that is counted for:
    /// ``LanguageReach`` must contain them all.
    public let textNamespaces: Set<ExactString?>
    /// For the call with all its attempts, if it is shorter than the model's own.
    public let timeLimit: Duration
    public let format: AnswerFormat

    /// - Parameters:
    ///   - task: what it is for.
    ///   - prompt: the whole message of the role `user`.
    ///   - quotes: the users' texts in it.
    ///   - namespace: what the tokens are counted for.
    ///   - textNamespaces: of the users' texts; default: `namespace`.
    ///   - timeLimit: for the call with all its attempts.
    ///   - format: what the answer must look like. Default: a text.
    public init(
        _ task: LanguageTask, prompt: String, quoting quotes: [String], namespace: String?,
        textsOf textNamespaces: [String?]? = nil, timeLimit: Duration, format: AnswerFormat = .text
    ) {
        self.task = task
        self.prompt = prompt
        self.quotes = quotes
        self.namespace = namespace
        var namespaces = Set((textNamespaces ?? [namespace]).map { $0.map(ExactString.init) })
        if let namespace { namespaces.insert(ExactString(namespace)) }
        self.textNamespaces = namespaces
        self.timeLimit = timeLimit
        self.format = format
    }

    /// The same request with another time limit.
    public func limited(to timeLimit: Duration) -> LanguageRequest {
        LanguageRequest(
            task, prompt: prompt, quoting: quotes, namespace: namespace, textsOf: textNamespaces.map { $0?.value },
            timeLimit: timeLimit, format: format)
    }
}

/// A language model's answer.
public struct LanguageAnswer: Sendable, Equatable {
    public let text: String
    /// Whether the model came to its end; otherwise a limit or a filter cut the text.
    public let isWhole: Bool
    public let tokens: TokenCount

    public init(_ text: String, isWhole: Bool, tokens: TokenCount) {
        self.text = text
        self.isWhole = isWhole
        self.tokens = tokens
    }
}

/// Tokens as the service counts them.
public struct TokenCount: Sendable, Equatable {
    /// Of prompts.
    public var input: Int
    /// Of answers.
    public var output: Int

    public init(input: Int = 0, output: Int = 0) {
        self.input = input
        self.output = output
    }

    /// Both; `Int.max` if that is too small.
    public var total: Int { Self.sum(input, output) }

    /// The sums, each `Int.max` if that is too small.
    public static func + (a: TokenCount, b: TokenCount) -> TokenCount {
        TokenCount(input: sum(a.input, b.input), output: sum(a.output, b.output))
    }

    private static func sum(_ a: Int, _ b: Int) -> Int {
        let (sum, overflows) = a.addingReportingOverflow(b)
        return overflows ? .max : sum
    }
}
