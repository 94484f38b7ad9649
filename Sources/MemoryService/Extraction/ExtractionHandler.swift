public import AgentMemory
public import Logging
public import Prompts

/// Extracts memories from the messages of a session that nothing was extracted from yet, with some
/// of the earlier ones as context.
///
/// Of the jobs of one session one works at a time: it holds an ``ExtractionPlan``. A job whose
/// model cannot be asked now waits, however long that takes; the messages stay due. A message that
/// the model has no answer to is set aside (``MessagesSetAside``): its own job tries it again, and
/// the others go on.
public struct ExtractionHandler: JobHandler {
    public struct Configuration: Sendable {
        /// Tokens of new messages in one call; a longer message is sent alone. Default: 4,000.
        public var batchTokens = 4000
        /// Tokens of earlier messages in one call. Default: 1,000.
        public var contextTokens = 1000
        /// Topics of a memory that the model is asked for at most. Default: 3.
        public var topics = 3
        /// For one call with all its attempts. Default: 120 s.
        public var timeLimit: Duration = .seconds(120)

        public init() {}
    }

    public let retries: RetryPolicy
    private let questions: ModelQuestions
    private let memory: LongTermMemory
    private let sessions: any WorkingMemoryStore
    private let documents: any DocumentStore
    private let jobs: JobSubmitter
    private let configuration: Configuration
    private let counter = TokenCounter()
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    /// How long a job waits for another one of its session.
    private static let turnDelay = Duration.seconds(5)
    /// How long it waits after the model's service has refused the key, the model or the prompt.
    private static let refusalDelay = Duration.seconds(300)

    /// - Parameters:
    ///   - model: the one that extracts.
    ///   - prompts: what it is asked.
    ///   - memory: gets the memories.
    ///   - sessions: has the messages.
    ///   - documents: keeps what is under way.
    ///   - jobs: gets jobs that must wait.
    ///   - configuration: bounds of a call.
    ///   - retries: for answers that cannot be used, and stores that fail.
    ///   - logger: gets the reasons of waiting.
    ///   - now: the clock of dates.
    public init(
        by model: any LanguageModel, prompts: PromptSet, memory: LongTermMemory, sessions: any WorkingMemoryStore,
        documents: any DocumentStore, jobs: JobSubmitter, configuration: Configuration = Configuration(),
        retries: RetryPolicy = RetryPolicy(), logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        questions = ModelQuestions(model: model, prompts: prompts, timeLimit: configuration.timeLimit)
        self.memory = memory
        self.sessions = sessions
        self.documents = documents
        self.jobs = jobs
        self.configuration = configuration
        self.retries = retries
        self.logger = logger
        self.now = now
    }

    public func run(_ job: ExtractionJob, isLastAttempt: Bool) async throws {
        guard questions.reaches(job.key.namespace) else {
            return try await job.caller.scope.limiting { try await leave(job) }
        }
        do {
            let isDone = try await job.caller.scope.limiting { try await extractOrFail(job) }
            if !isDone { try await jobs.enqueue([job.newJob(after: Self.turnDelay)]) }
        } catch let pause as ModelQuestions.Pause {
            logger.info("an extraction waits for the language model", metadata: ["reason": "\(pause.reason)"])
            try await jobs.enqueue([job.waiting()])
        } catch let error as MemoryError where error.code == .languageModelRefused {
            // Until a setting changes, and without filling the dead-letter list meanwhile.
            logger.warning("an extraction was refused and is tried again", metadata: ["error": "\(error)"])
            try await jobs.enqueue([job.newJob(after: Self.refusalDelay)])
        }
    }

    /// Ends a job of a session whose texts are not sent any more. Its messages stay due, also one
    /// that was set aside, so that none is left out if they are sent again.
    private func leave(_ job: ExtractionJob) async throws {
        guard let message = job.message, let head = try await sessions.read(job.key, lastMessages: 0) else { return }
        try await takeBack(message, head.memory)
    }

    /// As ``extract(_:)``. The job of a message that was set aside counts the failures of the model
    /// by itself: it may have waited for the model in between, as another job.
    private func extractOrFail(_ job: ExtractionJob) async throws -> Bool {
        do {
            return try await extract(job)
        } catch let error as MemoryError where error.concernsPrompt && job.message != nil {
            let next = job.failedAgain()
            guard next.failures < retries.attempts else { throw JobGivenUp(reason: error.message) }
            try await jobs.enqueue([next.newJob(after: delay(after: next.failures))])
            return true
        }
    }

    /// Until a message that was set aside is tried again.
    private func delay(after failures: Int) -> Duration {
        retries.delay(afterAttempt: failures, random: .random(in: 0...1))
    }

    /// - Returns: `false` if another job works on the session.
    private func extract(_ job: ExtractionJob) async throws -> Bool {
        let planKey = ExtractionPlan.key(of: job.key)
        var stored = try await documents.document(planKey)
        var plan = try stored.map { try ExtractionPlan($0.document) }
        if let plan, plan.holder != job.holder, plan.heldUntil > now() { return false }
        var done: SessionMessage?
        var known: MessagesSetAside?
        while true {
            guard let session = try await sessions.read(job.key, lastMessages: nil) else {
                // Deleted or expired: nothing of it may be stored any more.
                _ = try await documents.delete(planKey, revision: stored?.revision)
                _ = try await documents.delete(MessagesSetAside.key(of: job.key), revision: nil)
                return true
            }
            let messages = session.memory.messages
            let aside: MessagesSetAside
            if let known, known.sessionCreatedAt == session.memory.createdAt {
                aside = known
            } else {
                aside = try await MessagesSetAside.stored(for: session.memory, in: documents).aside
                known = aside
            }
            if plan == nil {
                guard let batch = batch(of: messages, without: aside, for: job) else {
                    if let message = job.message { try await takeBack(message, session.memory) }
                    return true
                }
                if let done, done.saysTheSame(as: batch[0]) {
                    throw MemoryError(.internalError, "the store did not mark a message as extracted")
                }
                plan = ExtractionPlan(batch, holder: job.holder, now: now(), handedInAt: job.handedInAt ?? now())
            }
            guard var current = plan?.held(by: job.holder, now: now()) else { return true }
            let due = Self.planned(current, of: messages)
            if current.answer == nil {
                guard !due.isEmpty else {
                    // Changed or marked since.
                    _ = try await documents.delete(planKey, revision: stored?.revision)
                    (plan, stored) = (nil, nil)
                    continue
                }
                guard let revision = try await write(current, of: job.key, over: stored) else { return false }
                stored = RevisedDocument(current.document(of: job.key), revision: revision)
                do {
                    current = try await answered(current, due, without: aside, in: session.memory, job)
                } catch {
                    // Nothing is under way: a later job of the session does not wait for this one.
                    _ = try? await documents.delete(planKey, revision: revision)
                    guard let error = error as? MemoryError, error.concernsPrompt,
                        job.message != ExtractionPlan.fingerprint(of: due[0])
                    else { throw error }
                    known = try await setAside(due[0], aside, of: session.memory, job, because: error)
                    (plan, stored) = (nil, nil)
                    continue
                }
                plan = current
                guard let next = try await write(current, of: job.key, over: stored) else { return false }
                stored = RevisedDocument(current.document(of: job.key), revision: next)
                // The model was cut off: fewer messages at once.
                if current.answer == nil { continue }
            }
            // Without a message that is due, all is stored, or the messages have changed since.
            if let answer = current.answer, !due.isEmpty {
                guard try await isThere(session.memory) else {
                    _ = try await documents.delete(planKey, revision: stored?.revision)
                    (plan, stored) = (nil, nil)
                    continue
                }
                try await keep(answer, of: current, in: session.memory, job)
                try await sessions.markExtracted(due, in: job.key)
            }
            _ = try await documents.delete(planKey, revision: stored?.revision)
            (plan, stored) = (nil, nil)
            done = due.first
        }
    }

    /// Whether the session was not deleted since it was read: nothing of one that was may be
    /// stored.
    private func isThere(_ session: WorkingMemory) async throws -> Bool {
        let head = try await sessions.read(session.key, lastMessages: 0)
        return head?.memory.createdAt == session.createdAt
    }

    /// - Returns: the new revision; `nil` if another job has the plan now.
    private func write(_ plan: ExtractionPlan, of key: SessionKey, over stored: RevisedDocument?) async throws -> Int? {
        try await documents.write(
            plan.document(of: key), expecting: stored.map { .revision($0.revision) } ?? .absent,
            // Long after every job has ended.
            keptFor: 30 * 86_400)
    }

    // MARK: Which messages

    /// The first messages to extract from that fit into one call; `nil` if there are none, or if
    /// the job of a later message is responsible for them. A full batch does not wait for that job.
    private func batch(
        of messages: [SessionMessage], without aside: MessagesSetAside, for job: ExtractionJob
    ) -> [SessionMessage]? {
        let due = messages.filter { !$0.discreteMemoryExtracted }
        if let own = job.message {
            return due.first { ExtractionPlan.fingerprint(of: $0) == own }.map { [$0] }
        }
        guard let last = due.last else { return nil }
        var batch: [SessionMessage] = []
        var left = configuration.batchTokens
        for message in due where !aside.contains(message) {
            left -= counter.count(message)
            if left < 0, !batch.isEmpty { return batch }
            batch.append(message)
        }
        guard !batch.isEmpty else { return nil }
        return job.lastIDs.contains { ExactString($0) == ExactString(last.id) } ? batch : nil
    }

    /// The messages of a plan that are still there and due.
    private static func planned(_ plan: ExtractionPlan, of messages: [SessionMessage]) -> [SessionMessage] {
        let wanted = Set(plan.messages)
        return messages.filter { !$0.discreteMemoryExtracted && wanted.contains(ExtractionPlan.fingerprint(of: $0)) }
    }

    /// The messages before the first of the batch that fit.
    private func context(
        before first: SessionMessage, in all: [SessionMessage], without aside: MessagesSetAside
    ) -> [SessionMessage] {
        let messages = all.filter { !aside.contains($0) || $0.saysTheSame(as: first) }
        let end = messages.firstIndex { $0.saysTheSame(as: first) } ?? messages.startIndex
        var left = configuration.contextTokens
        var start = end
        while start > messages.startIndex {
            left -= counter.count(messages[start - 1])
            if left < 0 { break }
            start -= 1
        }
        return Array(messages[start..<end])
    }

    // MARK: Messages without an answer

    /// Leaves a message to a job of its own.
    ///
    /// - Returns: those of the session that are set aside now.
    /// - Throws: `error` if there are too many.
    private func setAside(
        _ message: SessionMessage, _ aside: MessagesSetAside, of session: WorkingMemory, _ job: ExtractionJob,
        because error: MemoryError
    ) async throws -> MessagesSetAside {
        guard aside.messages.count < MessagesSetAside.most else { throw error }
        logger.warning(
            "a message is set aside: the language model has no answer to it, and is asked again later",
            metadata: ["message": "\(message.id)", "reason": "\(error.message)"])
        let own = job.setAside(message)
        // First, so that no message is left out without a job.
        try await jobs.enqueue([own.newJob(after: delay(after: own.failures))])
        return try await MessagesSetAside.change(for: session, in: documents) { $0.add(message) }
    }

    /// A message that was set aside is done, or is not there any more.
    private func takeBack(_ message: String, _ session: WorkingMemory) async throws {
        try await MessagesSetAside.change(for: session, in: documents) { $0.remove(message) }
    }

    /// Whether the model answers about a harmless message in the place of another one.
    private func answersAboutOthers(
        than message: SessionMessage, _ strategy: ExtractionStrategy, _ key: SessionKey
    ) async throws -> Bool {
        let harmless = SessionMessage(
            storedID: "", role: "user", content: "Hello.", createdAt: message.createdAt, persistedAt: nil,
            discreteMemoryExtracted: false)
        let prompt = prompt(strategy, [harmless], MessageLines.plain([]), key)
        do {
            return switch try await ask(prompt, [], key) {
            case .read: true
            case .cut(let items): !items.isEmpty
            case .unusable: false
            }
        } catch let error as MemoryError where error.concernsPrompt {
            return false
        }
    }

    // MARK: The model

    private func ask(
        _ prompt: String, _ quoted: [SessionMessage], _ key: SessionKey
    ) async throws -> ModelQuestions.Items {
        try await questions.items(
            prompt, for: .extraction, schema: ExtractedMemory.schema, list: "memories", mark: "text",
            quoting: quoted.map(\.content), namespace: key.namespace)
    }

    /// The plan with the model's answer; or with fewer messages, if the model was cut off.
    ///
    /// - Throws: ``MemoryError``: with ``MemoryError/concernsPrompt`` if it is the one message of
    ///   the batch that the model has no answer to; `languageModelFailed` if it answers nothing.
    private func answered(
        _ plan: ExtractionPlan, _ batch: [SessionMessage], without aside: MessagesSetAside,
        in session: WorkingMemory, _ job: ExtractionJob
    ) async throws -> ExtractionPlan {
        let strategy = try ExtractionStrategy(session.strategy)
        var context = context(before: batch[0], in: session.messages, without: aside)
        let earlier =
            strategy.name == .summary ? try await sendableSummary(of: session.key, job)?.text.quotedLines : nil
        var plan = plan
        func answer(_ items: [JSONValue]) -> ExtractionPlan.Answer {
            ExtractionPlan.Answer(
                strategy: session.strategy, items: Array(items.prefix(ExtractedMemory.mostItems)),
                messageIDs: batch.map(\.id), at: now())
        }
        while true {
            var failure = MemoryError(
                .languageModelUnusable, "the language model's answer is not the JSON that it was asked for")
            do {
                let prompt = prompt(strategy, batch, earlier ?? MessageLines.plain(context), session.key)
                switch try await ask(prompt, context + batch, session.key) {
                case .read(let items): plan.answer = answer(items)
                case .cut(let items) where batch.count == 1 && !items.isEmpty: plan.answer = answer(items)
                case .cut, .unusable: throw failure
                }
                return plan
            } catch let error as MemoryError where error.concernsPrompt {
                failure = error
            }
            // One message may be at fault, which does not hold up those before it.
            if batch.count > 1 {
                plan.messages = batch.prefix(batch.count / 2).map(ExtractionPlan.fingerprint)
                return plan
            }
            // Or one of those around it.
            if earlier == nil, !context.isEmpty {
                context = []
                continue
            }
            guard try await answersAboutOthers(than: batch[0], strategy, session.key) else {
                throw MemoryError(.languageModelFailed, failure.message)
            }
            throw failure
        }
    }

    private func prompt(
        _ strategy: ExtractionStrategy, _ batch: [SessionMessage], _ earlier: String, _ key: SessionKey
    ) -> String {
        // Far longer than a batch: a message that is sent alone.
        let lines = MessageLines.numbered(batch, longest: configuration.batchTokens * 20)
        return strategy.prompt(
            questions.prompts, lines: lines, earlier: earlier, topics: configuration.topics,
            in: .init(sessionID: key.sessionID, namespace: key.namespace, userID: key.userID), now: now())
    }

    // MARK: Records

    /// Stores what the model answered. A second time it has no effect.
    private func keep(
        _ answer: ExtractionPlan.Answer, of plan: ExtractionPlan, in session: WorkingMemory, _ job: ExtractionJob
    ) async throws {
        let memories = ExtractedMemory.all(answer.items, messageCount: answer.messageIDs.count)
        guard !memories.isEmpty else { return }
        let planID = plan.id(of: session.key)
        if answer.strategy.name == .summary {
            return try await keepSummary(
                memories, answer, planID, handedInAt: plan.handedInAt, in: session, job)
        }
        var records: [MemoryRecord] = []
        for (position, memory) in memories.enumerated() {
            let ids = memory.messages.isEmpty ? answer.messageIDs : memory.messages.map { answer.messageIDs[$0] }
            records.append(
                try MemoryRecord(
                    id: "extracted_\(Fingerprint.of([planID, String(position)], length: 32))", text: memory.text,
                    sessionID: session.key.sessionID, userID: session.key.userID, namespace: session.key.namespace,
                    memoryType: memory.type, topics: memory.topics, entities: memory.entities,
                    extractedFrom: Self.references(ids), discreteMemoryExtracted: true,
                    extractionStrategy: answer.strategy.name.rawValue,
                    extractionStrategyConfig: answer.strategy.config, createdAt: answer.at, lastAccessed: answer.at,
                    updatedAt: answer.at, persistedAt: answer.at, eventDate: memory.eventDate))
        }
        try await memory.keepDerived(records, handedInAt: plan.handedInAt, for: job.caller.deriving)
    }

    /// A store separates the values of a list with commas.
    private static func references(_ ids: [String]) -> [String] {
        ids.filter { !$0.contains(",") }.exactlyDistinct()
    }

    // MARK: The strategy summary

    /// The id of a session's summary: the same as the reference's, unless its separator stands in a
    /// name, because the sessions of two tenants would have one summary then.
    static func summaryID(of key: SessionKey) -> String {
        let owner = [key.namespace ?? "", key.userID ?? ""]
        guard owner.allSatisfy({ !$0.utf8.contains(UInt8(ascii: "|")) }) else {
            return "thread_summary_\(Fingerprint.of(owner + [key.sessionID], length: 24))"
        }
        return "thread_summary_\(Fingerprint.of([(owner + [key.sessionID]).joined(separator: "|")], length: 24))"
    }

    /// Characters of a summary that are kept: far more than any prompt asks for.
    private static let longestSummary = 100_000

    private func summary(of key: SessionKey, _ job: ExtractionJob) async throws -> MemoryRecord? {
        do {
            return try await memory.record(id: Self.summaryID(of: key), for: job.caller.deriving)
        } catch let error as MemoryError where error.code == .notFound {
            return nil
        }
    }

    /// A client may have moved it to another namespace.
    private func sendableSummary(of key: SessionKey, _ job: ExtractionJob) async throws -> MemoryRecord? {
        try await summary(of: key, job).flatMap { questions.reaches($0.namespace) ? $0 : nil }
    }

    private func keepSummary(
        _ memories: [ExtractedMemory], _ answer: ExtractionPlan.Answer, _ planID: String, handedInAt: Timestamp,
        in session: WorkingMemory, _ job: ExtractionJob
    ) async throws {
        let earlier = try await summary(of: session.key, job)
        let planName = "extraction"
        // Stored by an earlier run of this plan.
        if earlier?.metadata[planName]?.stringValue == planID { return }
        let strategy = try ExtractionStrategy(answer.strategy)
        let ids = ((earlier?.extractedFrom ?? []) + Self.references(answer.messageIDs)).exactlyDistinct()
        let covered = Set(ids.map(ExactString.init))
        let known = session.messages.filter { covered.contains(ExactString($0.id)) }
        func tags(_ lists: [[String]]) -> [String] {
            lists.joined().exactlyDistinct().sorted { ExactString($0) < ExactString($1) }
        }
        let given = ExtractedMemory.tags(.array(strategy.summaryTopics.map { .string($0) }))
        let dates = known.map(\.createdAt)
        let metadata: JSONObject = [
            "source_session_id": .string(session.key.sessionID), "message_count": .int(ids.count),
            "source_message_ids": .array(ids.map { .string($0) }),
            "source_created_at_min": dates.min().map { .string($0.iso8601) } ?? .null,
            "source_created_at_max": dates.max().map { .string($0.iso8601) } ?? .null,
            "source_message_fingerprint": .string(Self.messageFingerprint(known)),
            "summary_version": .string(strategy.summaryVersion), planName: .string(planID),
        ]
        let record = try MemoryRecord(
            id: Self.summaryID(of: session.key),
            text: String(memories.map(\.text).joined(separator: "\n\n").prefix(Self.longestSummary)),
            sessionID: session.key.sessionID, userID: session.key.userID, namespace: session.key.namespace,
            memoryType: .semantic, topics: tags([given, ["thread-summary"]] + memories.map(\.topics)),
            entities: tags(memories.map(\.entities)), extractedFrom: ids, discreteMemoryExtracted: true,
            extractionStrategy: answer.strategy.name.rawValue, extractionStrategyConfig: answer.strategy.config,
            metadata: metadata, pinned: earlier?.pinned ?? false, accessCount: earlier?.accessCount ?? 0,
            createdAt: earlier?.createdAt ?? answer.at, lastAccessed: answer.at, updatedAt: answer.at,
            persistedAt: answer.at)
        guard try await memory.erased([record], handedInAt: handedInAt).isEmpty else { return }
        try await memory.create([record], deduplicate: false, for: job.caller.deriving)
    }

    /// As the reference computes it: over id, date, role and content, with 0x1F between them and
    /// 0x1E between messages.
    static func messageFingerprint(_ messages: [SessionMessage]) -> String {
        Fingerprint.of([
            messages.map { [$0.id, $0.createdAt.iso8601, $0.role, $0.content].joined(separator: "\u{1F}") }
                .joined(separator: "\u{1E}")
        ])
    }
}
