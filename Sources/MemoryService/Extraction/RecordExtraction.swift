public import AgentMemory
public import Logging
public import Prompts

/// Extracts memories from long-term memories that say that this is still to be done
/// (``MemoryRecord/discreteMemoryExtracted``), each by itself, by its own strategy.
///
/// What is extracted belongs to the namespace, user and session of its source. Messages of
/// conversations are left to the extraction of their session, and a single memory has no summary.
public struct RecordExtraction: Sendable {
    private let questions: ModelQuestions
    private let memory: LongTermMemory
    private let documents: any DocumentStore
    private let topics: Int
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    /// How often a memory is looked at again that was changed while the model worked.
    private static let attempts = 3
    /// How long an answer is kept that was not stored yet, in seconds: long after every job has
    /// ended.
    private static let keptSeconds = 30 * 86_400

    /// - Parameters:
    ///   - model: the one that extracts.
    ///   - prompts: what it is asked.
    ///   - memory: has the memories, and gets those that are extracted.
    ///   - documents: keeps what is under way.
    ///   - configuration: bounds of a call.
    ///   - logger: gets what was left as it is.
    ///   - now: the clock of dates.
    public init(
        by model: any LanguageModel, prompts: PromptSet, memory: LongTermMemory, documents: any DocumentStore,
        configuration: ExtractionHandler.Configuration = ExtractionHandler.Configuration(), logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        questions = ModelQuestions(model: model, prompts: prompts, timeLimit: configuration.timeLimit)
        self.memory = memory
        self.documents = documents
        topics = configuration.topics
        self.logger = logger
        self.now = now
    }

    static func isDue(_ record: MemoryRecord) -> Bool {
        !record.discreteMemoryExtracted && record.memoryType != .message
            && strategy(of: record).name != .summary && record.text.utf8.count <= longestText
    }

    /// UTF-8 bytes of a text that a model is sent.
    private static let longestText = 64_000

    private static func strategy(of record: MemoryRecord) -> MemoryStrategy {
        MemoryStrategy(
            MemoryStrategy.Name(rawValue: record.extractionStrategy) ?? .discrete,
            config: record.extractionStrategyConfig)
    }

    /// Extracts from a memory, if that is due, and marks it. A memory that changes meanwhile is
    /// looked at again.
    ///
    /// - Parameter handedInAt: when the work was handed in, by the clock of the jobs.
    /// - Throws: ``ModelQuestions/Pause``, and ``MemoryError``: of the stores, with code
    ///   `languageModelRefused`, and with ``MemoryError/concernsPrompt`` if the model has no answer
    ///   to this memory.
    func run(_ id: String, handedInAt: Timestamp, for caller: Caller) async throws {
        let memories = memory.memories.scoped(to: caller)
        for _ in 0..<Self.attempts {
            let latest = memories.keepsHistory ? try await memories.latestEvents(of: [id])[ExactString(id)] : nil
            guard let record = try await memories.record(id: id), Self.isDue(record),
                questions.reaches(record.namespace)
            else { return }
            let key = DocumentKey(.extraction, Fingerprint.of([record.id, record.memoryHash], length: 40))
            guard let items = try await items(record, key) else { return }
            try await memory.keepDerived(try records(items, of: record), handedInAt: handedInAt, for: caller)
            guard try await mark(record, latest: latest ?? 0, memories, caller) else { continue }
            _ = try await documents.delete(key, revision: nil)
            return
        }
        logger.info("a memory that changes all the time is not extracted from")
    }

    /// What the model answered, now or to an earlier run; `nil` if it cannot be asked for this
    /// memory.
    private func items(_ record: MemoryRecord, _ key: DocumentKey) async throws -> [JSONValue]? {
        if let stored = try await documents.document(key) { return stored.document.body["items"]?.arrayValue }
        let strategy: ExtractionStrategy
        do {
            strategy = try ExtractionStrategy(Self.strategy(of: record))
        } catch {
            logger.info("a memory's strategy of extraction cannot be used", metadata: ["error": "\(error)"])
            return nil
        }
        let message = SessionMessage(
            storedID: record.id, role: "user", content: record.text, createdAt: record.eventDate ?? record.createdAt,
            persistedAt: nil, discreteMemoryExtracted: false)
        let prompt = strategy.prompt(
            questions.prompts, lines: MessageLines.numbered([message]), earlier: "(none)", topics: topics,
            in: .init(sessionID: record.sessionID, namespace: record.namespace, userID: record.userID), now: now())
        switch try await questions.items(
            prompt, for: .extraction, schema: ExtractedMemory.schema, list: "memories", mark: "text",
            quoting: [record.text], namespace: record.namespace)
        {
        case .read(let items), .cut(let items):
            let session = record.sessionID.map {
                SessionKey(storedSessionID: $0, namespace: record.namespace, userID: record.userID)
            }
            let document = Document(
                key, parent: session?.fingerprint ?? "", namespace: record.namespace, userID: record.userID,
                body: ["items": .array(Array(items.prefix(ExtractedMemory.mostItems)))])
            // Of two processes that asked, the first one's answer counts.
            guard try await documents.write(document, expecting: .absent, keptFor: Self.keptSeconds) == nil else {
                return items
            }
            return try await documents.document(key)?.document.body["items"]?.arrayValue
        case .unusable:
            throw MemoryError(
                .languageModelUnusable, "the language model's answer is not the JSON that it was asked for")
        }
    }

    private func records(_ items: [JSONValue], of source: MemoryRecord) throws -> [MemoryRecord] {
        let now = now()
        return try ExtractedMemory.all(items, messageCount: 1).enumerated().map { position, memory in
            let id = Fingerprint.of([source.id, source.memoryHash, String(position)], length: 32)
            return try MemoryRecord(
                id: "extracted_\(id)", text: memory.text, sessionID: source.sessionID, userID: source.userID,
                namespace: source.namespace, memoryType: memory.type, topics: memory.topics,
                entities: memory.entities, extractedFrom: source.id.contains(",") ? [] : [source.id],
                discreteMemoryExtracted: true, extractionStrategy: Self.strategy(of: source).name.rawValue,
                extractionStrategyConfig: source.extractionStrategyConfig, createdAt: now, lastAccessed: now,
                updatedAt: now, persistedAt: now, eventDate: memory.eventDate)
        }
    }

    /// - Returns: `false` if the memory was changed since it was read.
    private func mark(
        _ record: MemoryRecord, latest: Int, _ memories: ScopedMemories, _ caller: Caller
    ) async throws -> Bool {
        let changes = try RecordChanges(discreteMemoryExtracted: true)
        let origin = WriteOrigin(caller: caller.subject, kind: .changed, reason: "extracted")
        return try await WriteOrigin.$current.withValue(origin) {
            guard memories.makesEvents else {
                _ = try await memories.update(RecordUpdate(id: record.id, changes: changes))
                return true
            }
            var marked = record
            marked.apply(changes)
            return try await memories.rewrite([RecordRewrite(id: record.id, record: marked, latestEvent: latest)])
                .isEmpty
        }
    }
}
