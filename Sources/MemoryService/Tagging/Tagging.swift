public import AgentMemory
public import Logging
public import Prompts

/// Finds the topics and entities of memories that have neither, by a language model.
///
/// Memories of one namespace and user are asked about together. What has changed meanwhile stays as
/// it is.
public struct Tagging: Sendable {
    public struct Configuration: Sendable {
        public var findsTopics = true
        public var findsEntities = true
        /// Topics of a memory at most. Default: 3.
        public var topics = 3
        /// UTF-8 bytes of the texts in one call; a longer text is cut off. Default: 16,000.
        public var callBytes = 16_000
        /// For one call with all its attempts. Default: 120 s.
        public var timeLimit: Duration = .seconds(120)

        public init() {}
    }

    private let questions: ModelQuestions
    private let memory: LongTermMemory
    private let configuration: Configuration
    private let logger: Logger

    /// - Parameters:
    ///   - model: the one that is asked.
    ///   - prompts: what it is asked.
    ///   - memory: has the memories.
    ///   - configuration: what is looked for, and bounds.
    ///   - logger: gets what was left as it is.
    public init(
        by model: any LanguageModel, prompts: PromptSet, memory: LongTermMemory,
        configuration: Configuration = Configuration(), logger: Logger
    ) {
        questions = ModelQuestions(model: model, prompts: prompts, timeLimit: configuration.timeLimit)
        self.memory = memory
        self.configuration = configuration
        self.logger = logger
    }

    /// Whether a memory has neither.
    static func isDue(_ record: MemoryRecord) -> Bool { record.topics.isEmpty && record.entities.isEmpty }

    /// - Throws: ``ModelQuestions/Pause``, and ``MemoryError``: of the stores, with code
    ///   `languageModelRefused`, and with ``MemoryError/concernsPrompt``.
    func run(_ ids: [String], for caller: Caller) async throws {
        guard configuration.findsTopics || configuration.findsEntities else { return }
        let memories = memory.memories.scoped(to: caller)
        let latest = memories.keepsHistory ? try await memories.latestEvents(of: ids) : [:]
        var due = try await memories.stored(.id, ids).filter { Self.isDue($0) && questions.reaches($0.namespace) }
        while let first = due.first {
            var batch: [MemoryRecord] = []
            var bytes = 0
            due.removeAll { record in
                guard record.sharesOwner(with: first), bytes < configuration.callBytes else { return false }
                bytes += record.text.utf8.count
                batch.append(record)
                return true
            }
            for (record, tags) in zip(batch, try await tags(of: batch)) {
                guard let tags else { continue }
                try await write(tags, to: record, latest: latest[ExactString(record.id)] ?? 0, memories, caller)
            }
        }
    }

    // MARK: The model

    private struct Tags {
        let topics: [String]
        let entities: [String]
    }

    /// What the model says of each; `nil` where it says nothing that can be used.
    private func tags(of batch: [MemoryRecord]) async throws -> [Tags?] {
        let lines = batch.enumerated().map { position, record in
            JSONValue.object([
                "memory": .string(Self.label(position)),
                "text": .string(String(record.text.prefix(configuration.callBytes))),
            ]).jsonText.quotedLines
        }
        let prompt = questions.prompts[.tags].filled(with: [
            "memories": lines.joined(separator: "\n"), "top_k_topics": String(configuration.topics),
        ])
        let items: [JSONValue]
        switch try await questions.items(
            prompt, for: .tags, schema: Self.schema, list: "memories", mark: "memory", quoting: batch.map(\.text),
            namespace: batch[0].namespace)
        {
        case .read(let read): items = read
        // Those that are whole count.
        case .cut(let whole): items = whole
        case .unusable:
            logger.info("the language model's topics and entities cannot be used")
            items = []
        }
        return batch.indices.map { position in
            let own = items.filter { $0["memory"]?.stringValue == Self.label(position) }
            guard own.count == 1, let item = own.first else { return nil }
            let topics =
                configuration.findsTopics
                ? Array(ExtractedMemory.tags(item["topics"]).prefix(configuration.topics)) : []
            let entities = configuration.findsEntities ? ExtractedMemory.tags(item["entities"]) : []
            return topics.isEmpty && entities.isEmpty ? nil : Tags(topics: topics, entities: entities)
        }
    }

    private static func label(_ position: Int) -> String { "m\(position + 1)" }

    /// What an answer must look like.
    private static let schema = AnswerSchema(
        name: "tags",
        schema: [
            "type": "object", "additionalProperties": false, "required": ["memories"],
            "properties": [
                "memories": [
                    "type": "array",
                    "items": [
                        "type": "object", "additionalProperties": false,
                        "required": ["memory", "topics", "entities"],
                        "properties": [
                            "memory": ["type": "string"],
                            "topics": ["type": "array", "items": ["type": "string"]],
                            "entities": ["type": "array", "items": ["type": "string"]],
                        ],
                    ],
                ]
            ],
        ])

    // MARK: The write

    private func write(
        _ tags: Tags, to record: MemoryRecord, latest: Int, _ memories: ScopedMemories, _ caller: Caller
    ) async throws {
        let changes = try RecordChanges(topics: tags.topics, entities: tags.entities)
        let origin = WriteOrigin(caller: caller.subject, kind: .changed, reason: "topics and entities")
        try await WriteOrigin.$current.withValue(origin) {
            guard memories.makesEvents else {
                // Without events another writer may come between the two steps.
                let current = try await memories.record(id: record.id)
                guard let current, Self.isDue(current), ExactString(current.text) == ExactString(record.text) else {
                    return
                }
                _ = try await memories.update(RecordUpdate(id: record.id, changes: changes))
                return
            }
            var tagged = record
            tagged.apply(changes)
            _ = try await memories.rewrite([RecordRewrite(id: record.id, record: tagged, latestEvent: latest)])
        }
    }
}
