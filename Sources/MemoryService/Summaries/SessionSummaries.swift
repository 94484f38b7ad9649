public import AgentMemory
public import Logging
public import Prompts

/// Summarises the earlier messages of sessions that take much of a model's context window: when and
/// how much of them as the reference does it.
public struct SessionSummaries: Sendable {
    public struct Configuration: Sendable {
        /// The share of the window at which a session is summarised. Default: 0.7.
        public var threshold = ContextBudget.standardThreshold
        /// The share of the window that the newest messages keep. Default: 0.4.
        public var keptShare = 0.4
        /// The window of a client that names none, in tokens. Default: 16,000, as in the reference.
        public var standardWindow = 16_000
        /// Tokens of messages in one call of the model; default: 8,000.
        public var callTokens = 8000
        /// Whether a PUT waits for the summary. Default: no.
        public var isInRequest = false
        /// How long it waits; then the summary is made in the background. Default: 20 s.
        public var requestTimeLimit: Duration = .seconds(20)
        /// For one call with all its attempts. Default: 120 s.
        public var timeLimit: Duration = .seconds(120)
        /// How long a session that is appended to is left alone. Default: 30 s.
        public var appendDelay: Duration = .seconds(30)

        public init() {}
    }

    let configuration: Configuration
    private let model: any LanguageModel
    private let prompts: PromptSet
    private let documents: any DocumentStore
    private let counter = TokenCounter()
    private let logger: Logger

    /// - Parameters:
    ///   - model: the one that summarises.
    ///   - prompts: what it is asked.
    ///   - documents: keeps the summaries.
    ///   - configuration: when and how much.
    ///   - logger: gets the reasons of failures.
    public init(
        by model: any LanguageModel, prompts: PromptSet, documents: any DocumentStore,
        configuration: Configuration = Configuration(), logger: Logger
    ) {
        self.model = model
        self.prompts = prompts
        self.documents = documents
        self.configuration = configuration
        self.logger = logger
    }

    /// Bytes of appended messages for which there is one job on average: a small part of the
    /// standard window.
    private static let bytesPerAppendJob = 4096

    // MARK: For requests

    /// The summary of a session; `nil` if there is none. The caller's scope is set by who calls.
    func summary(of key: SessionKey) async throws -> SessionSummary? {
        try await documents.document(SessionSummary.key(of: key)).map { try SessionSummary($0.document) }
    }

    /// The session as clients see it: with its summary as the context.
    func shown(_ session: StoredSession) async throws -> StoredSession {
        guard let summary = try await summary(of: session.memory.key) else { return session }
        return shown(session, with: summary)
    }

    func shown(_ session: StoredSession, with summary: SessionSummary) -> StoredSession {
        guard summary.belongs(to: session.memory), let text = summary.text else { return session }
        var session = session
        session.memory.context = text
        return session
    }

    /// Forgets the summary of a session that was deleted, or that no longer has the messages.
    func forget(_ key: SessionKey) async throws {
        try await documents.delete(SessionSummary.key(of: key), revision: nil)
    }

    /// Whether the session may be summarised; what was made before stays in any case.
    func reaches(_ key: SessionKey) -> Bool { model.reach.contains(key.namespace) }

    /// The job for a session, if it is due.
    func jobs(for session: WorkingMemory, _ summary: SessionSummary?, window: Int?, by caller: Caller) -> [NewJob] {
        guard reaches(session.key) else { return [] }
        let window = window ?? configuration.standardWindow
        guard !due(of: session, summary, window).isEmpty else { return [] }
        return [SessionSummaryJob(key: session.key, window: window, waits: 0, caller: caller).newJob]
    }

    /// The job for a session that is appended to: how long it is shows only later. Few of many
    /// short appends have one.
    func jobs(forAppendOf messages: [SessionMessage], to key: SessionKey, by caller: Caller) -> [NewJob] {
        guard reaches(key) else { return [] }
        let bytes = messages.reduce(0) { $0 + $1.content.utf8.count }
        guard Int.random(in: 0..<Self.bytesPerAppendJob) < bytes else { return [] }
        return [
            SessionSummaryJob(key: key, window: configuration.standardWindow, waits: 0, caller: caller)
                .newJob(after: configuration.appendDelay)
        ]
    }

    // MARK: The work

    /// The messages to summarise: all that the summary does not cover, except the newest that fit
    /// into their share of the window. None below the threshold.
    func due(of session: WorkingMemory, _ summary: SessionSummary?, _ window: Int) -> ArraySlice<SessionMessage> {
        let valid = summary.flatMap { $0.belongs(to: session) ? $0 : nil }
        let rest = valid?.uncovered(of: session.messages) ?? session.messages[...]
        let limit = Int(Double(window) * configuration.threshold)
        // Hardly any message has more tokens than bytes.
        guard rest.count > 1, rest.reduce(0, { $0 + $1.content.utf8.count + 16 }) > limit else { return [] }
        let costs = rest.map { counter.count($0) }
        guard costs.reduce(0, +) > limit else { return [] }
        var left = Int(Double(window) * configuration.keptShare)
        var kept = 0
        for cost in costs.reversed() {
            left -= cost
            if left < 0 { break }
            kept += 1
        }
        return rest.dropLast(max(1, kept))
    }

    /// Summarises what is due, oldest first, in as many calls as it takes; each call's summary is
    /// kept at once.
    ///
    /// - Parameters:
    ///   - timeLimit: for each call.
    ///   - leavesOut: whether one message that the model has no answer to is left out of the
    ///     summary, if it has answers to others.
    /// - Returns: `false` if that was done: then there may be more to summarise.
    /// - Throws: ``ModelQuestions/Pause``; ``MemoryError``; `CancellationError`.
    @discardableResult
    func summarize(
        _ session: WorkingMemory, window: Int, timeLimit: Duration, leavingOut leavesOut: Bool
    ) async throws -> Bool {
        let questions = ModelQuestions(model: model, prompts: prompts, timeLimit: timeLimit)
        var stored = try await documents.document(SessionSummary.key(of: session.key))
        let read = try stored.map { try SessionSummary($0.document) }
        var due = due(of: session, read, window)
        var summary =
            read.flatMap { $0.belongs(to: session) && $0.uncovered(of: session.messages) != nil ? $0 : nil }
            ?? SessionSummary(of: session)
        var most = Int.max
        while !due.isEmpty {
            let part = part(of: due).prefix(most)
            let text: String?
            var isLeftOut = false
            do {
                text = try await grown(summary, by: part, of: session.key, questions)
            } catch let error as MemoryError where error.concernsPrompt {
                // One message may be at fault, which does not hold up those before it.
                if part.count > 1 {
                    most = part.count / 2
                    continue
                }
                // Nor those after it.
                guard leavesOut,
                    try await questions.answersOthers(for: .sessionSummary, namespace: session.key.namespace)
                else { throw error }
                logger.warning(
                    "a message is left out of the summary of its session: the language model has no answer to it",
                    metadata: ["message": "\(part[part.startIndex].id)", "reason": "\(error.message)"])
                (text, isLeftOut) = (nil, true)
            }
            due = due.dropFirst(part.count)
            summary = summary.grown(to: text, covering: part[part.endIndex - 1])
            let revision = try await documents.write(
                summary.document(of: session.key),
                expecting: stored.map { .revision($0.revision) } ?? .absent,
                keptFor: session.ttlSeconds.map { min($0, 10 * 365 * 86_400) + 86_400 })
            // Another server summarises the session.
            guard let revision else { return true }
            stored = RevisedDocument(summary.document(of: session.key), revision: revision)
            if isLeftOut { return false }
        }
        return true
    }

    /// The text of a summary that these messages are added to; `nil` if they add nothing.
    ///
    /// - Throws: ``ModelQuestions/Pause``; ``MemoryError``; `CancellationError`.
    private func grown(
        _ summary: SessionSummary, by part: ArraySlice<SessionMessage>, of key: SessionKey,
        _ questions: ModelQuestions
    ) async throws -> String? {
        let answer = try await questions.text(
            prompts[.sessionSummary].filled(with: [
                "prev_summary": (summary.text ?? "(none)").quotedLines,
                "messages_joined": MessageLines.plain(part, longest: configuration.callTokens * 8),
            ]), for: .sessionSummary, quoting: part.map(\.content), namespace: key.namespace)
        let text = answer.summary
        guard answer.isWhole, !text.isEmpty else {
            throw MemoryError(.languageModelUnusable, "the language model's summary was cut off or empty")
        }
        return text.drop { $0 == "\"" }.prefix(4) == "NONE" && text.count <= 8 ? nil : text
    }

    /// The first messages that fit into one call; at least one.
    private func part(of due: ArraySlice<SessionMessage>) -> ArraySlice<SessionMessage> {
        var left = configuration.callTokens
        var count = 0
        for message in due {
            left -= counter.count(message)
            if left < 0, count > 0 { break }
            count += 1
        }
        return due.prefix(count)
    }

    /// As ``summarize(_:window:timeLimit:leavingOut:)`` within a request: a failure leaves the work
    /// to the job.
    func summarizeInRequest(_ session: WorkingMemory, window: Int?) async throws {
        guard reaches(session.key) else { return }
        do {
            try await summarize(
                session, window: window ?? configuration.standardWindow, timeLimit: configuration.requestTimeLimit,
                leavingOut: false)
        } catch let pause as ModelQuestions.Pause {
            logger.warning("a session was not summarised in its request", metadata: ["reason": "\(pause.reason)"])
        } catch let error as MemoryError {
            logger.warning("a session was not summarised in its request", metadata: ["error": "\(error)"])
        }
    }
}

/// The payload of a job that summarises a session.
public struct SessionSummaryJob: JobPayload, Equatable {
    public static let kind = "session_summary"

    let key: SessionKey
    /// Tokens of the client's context window.
    let window: Int
    let waits: Int
    let caller: Caller

    init(key: SessionKey, window: Int, waits: Int, caller: Caller) {
        self.key = key
        self.window = window
        self.waits = waits
        self.caller = caller
    }

    public var json: JSONObject {
        var payload = key.json
        payload["window"] = .int(window)
        payload["waits"] = .int(waits)
        if caller != .unrestricted { payload["caller"] = .object(caller.json) }
        return payload
    }

    public init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError) {
        key = try SessionKey(job: json)
        guard let window = json["window"]?.intValue else {
            throw MemoryError(.invalidInput, "the payload of the job has no window")
        }
        self.window = window
        waits = json["waits"]?.intValue ?? 0
        caller = try Caller(job: json)
    }

    func newJob(after delay: Duration) -> NewJob { NewJob(kind: Self.kind, payload: json, delay: delay) }

    /// The same job, to be run once the model may answer again.
    func waiting() -> NewJob {
        SessionSummaryJob(key: key, window: window, waits: min(waits + 1, 100), caller: caller)
            .newJob(after: ModelWait.delay(after: waits))
    }
}

/// Summarises sessions in the background. A job whose model cannot be asked now waits.
public struct SessionSummaryHandler: JobHandler {
    public let retries: RetryPolicy
    private let summaries: SessionSummaries
    private let sessions: any WorkingMemoryStore
    private let jobs: JobSubmitter
    private let logger: Logger

    public init(
        _ summaries: SessionSummaries, sessions: any WorkingMemoryStore, jobs: JobSubmitter,
        retries: RetryPolicy = RetryPolicy(), logger: Logger
    ) {
        self.summaries = summaries
        self.sessions = sessions
        self.jobs = jobs
        self.retries = retries
        self.logger = logger
    }

    public func run(_ job: SessionSummaryJob, isLastAttempt: Bool) async throws {
        do {
            let isDone = try await job.caller.scope.limiting {
                // The head tells most short sessions.
                guard let head = try await sessions.read(job.key, lastMessages: 0) else {
                    try await summaries.forget(job.key)
                    return true
                }
                guard summaries.reaches(job.key), head.messageCount > 1,
                    let session = try await sessions.read(job.key, lastMessages: nil)
                else { return true }
                let isDone = try await summaries.summarize(
                    session.memory, window: job.window, timeLimit: summaries.configuration.timeLimit,
                    leavingOut: isLastAttempt)
                // Deleted while the model worked: nothing of it may stay.
                if try await sessions.read(job.key, lastMessages: 0) == nil { try await summaries.forget(job.key) }
                return isDone
            }
            if !isDone { try await jobs.enqueue([job.newJob(after: .zero)]) }
        } catch let pause as ModelQuestions.Pause {
            logger.info("a summary waits for the language model", metadata: ["reason": "\(pause.reason)"])
            try await jobs.enqueue([job.waiting()])
        } catch let error as MemoryError where error.code == .languageModelRefused {
            // The next write of the session tries again.
            logger.warning("a session was not summarised", metadata: ["error": "\(error)"])
        }
    }
}
