import AgentMemory
import Foundation
import HTTPClient
import LanguageModels
import Logging
import MemoryService
import Prompts
import Settings

/// The language models of the settings, with what they are asked.
struct Languages {
    /// Rewrites queries; `nil` if there is none.
    let fast: (any LanguageModel)?
    /// Works in the background; `nil` if there is none.
    let generation: (any LanguageModel)?
    /// The models that services are asked for, each once: one may do several tasks, and stand in
    /// for others.
    let services: [any LanguageModel]
    /// Whose texts they may be sent.
    let reach: LanguageReach
    let prompts: PromptSet

    /// - Parameter client: asks services; its owner ends it.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    init(_ settings: Settings, client: HTTPClient, logger: Logger) throws(MemoryError) {
        let language = settings.language
        let reach = Self.reach(settings)
        func configuration(_ model: String?, _ name: String) -> LanguageModelConfiguration {
            var configuration = LanguageModelConfiguration()
            configuration.names = Settings.languageModelFieldNames
            configuration.names.model = name
            configuration.model = model
            // A key is for the service that it was given with: it does not go to another address.
            configuration.baseURL = language.baseURL ?? settings.embeddings.baseURL
            configuration.apiKey = language.apiKey ?? (language.baseURL == nil ? settings.embeddings.apiKey : nil)
            configuration.anthropicBaseURL = language.anthropicBaseURL
            configuration.anthropicKey = language.anthropicKey
            configuration.attemptTimeout = language.attemptTimeout
            configuration.concurrency = language.concurrency
            configuration.tokensPerHour = language.tokensPerHour
            configuration.reach = reach
            return configuration
        }
        let names = Settings.names.language
        let models = try LanguageModelFactory.make(
            [
                configuration(language.fastModel, names.fastModel),
                configuration(language.generationModel, names.generationModel),
                configuration(language.fastFallbackModel, names.fastFallbackModel),
                configuration(language.generationFallbackModel, names.generationFallbackModel),
            ], client: client, logger: logger)
        fast = Self.model(models[0], else: models[2])
        generation = Self.model(models[1], else: models[3])
        var known: Set<ObjectIdentifier> = []
        services = models.compactMap(\.self).filter { known.insert(ObjectIdentifier($0)).inserted }
        self.reach = reach
        prompts = try Self.prompts(settings)
    }

    private static func model(
        _ first: MeteredLanguageModel?, else second: MeteredLanguageModel?
    ) -> (any LanguageModel)? {
        guard let first, let second else { return first }
        return FallbackLanguageModel(first, else: second)
    }

    private static func reach(_ settings: Settings) -> LanguageReach {
        let (only, excluded) = (settings.language.namespaces, settings.language.excludedNamespaces)
        if !only.isEmpty { return .only(only) }
        return excluded.isEmpty ? .everything : .everything(except: excluded)
    }

    private static func prompts(_ settings: Settings) throws(MemoryError) -> PromptSet {
        let language = settings.language
        let names = Settings.names.language
        do {
            var prompts =
                try language.promptsFolder.map { folder throws(PromptSet.Refusal) in
                    try PromptSet(replacing: try files(in: folder))
                } ?? .builtIn
            if let text = language.queryPrompt {
                try prompts.replace(.queryOptimization, by: text, called: names.queryPrompt)
            }
            if let text = language.summaryPrompt {
                try prompts.replace(.sessionSummary, by: text, called: names.summaryPrompt)
            }
            return prompts
        } catch {
            throw MemoryError(.misconfigured, error.description)
        }
    }

    /// The texts of the files of a folder, by their names.
    private static func files(in folder: String) throws(PromptSet.Refusal) -> [String: String] {
        let setting = Settings.names.language.promptsFolder
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw PromptSet.Refusal(description: "\(setting): \(folder) is not a folder that can be read")
        }
        var texts: [String: String] = [:]
        for name in names where !name.hasPrefix(".") {
            guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)"),
                let text = String(validating: data, as: UTF8.self)
            else {
                throw PromptSet.Refusal(description: "\(setting): \(folder)/\(name) is not a text that can be read")
            }
            texts[name] = text
        }
        return texts
    }

    /// Rewrites queries; `nil` without a model.
    func optimization(_ settings: Settings, logger: Logger) -> QueryOptimization? {
        fast.map { model in
            QueryOptimization(
                by: model, prompt: prompts[.queryOptimization], minimumLength: settings.language.minimumQueryLength,
                timeLimit: settings.language.queryTimeout, logger: logger)
        }
    }

    /// The model that extracts memories; `nil` if none are extracted.
    func extracting(_ settings: Settings) -> (any LanguageModel)? {
        settings.language.extracts && settings.memory.isLongTermEnabled ? generation : nil
    }

    /// The model that works on stored memories; `nil` if none does.
    private func indexing(_ settings: Settings) -> (any LanguageModel)? {
        settings.memory.isLongTermEnabled ? fast ?? generation : nil
    }

    /// Queues the work on stored memories; `nil` if there is none.
    func indexing(_ settings: Settings, _ jobs: JobSubmitter, logger: Logger) -> Indexing? {
        var steps: Indexing.Steps = []
        if tags(settings) { steps.insert(.tagging) }
        if extracting(settings) != nil { steps.insert(.extraction) }
        if indexing(settings) != nil, settings.language.deduplicates, settings.memory.keepsHistory {
            steps.insert(.deduplication)
        }
        return steps.isEmpty ? nil : Indexing(jobs: jobs, steps: steps, within: reach, logger: logger)
    }

    private func tags(_ settings: Settings) -> Bool {
        indexing(settings) != nil && (settings.language.findsTopics || settings.language.findsEntities)
    }

    /// Finds topics and entities of stored memories; `nil` if that is off.
    func tagging(_ settings: Settings, _ memory: LongTermMemory, logger: Logger) -> Tagging? {
        guard tags(settings), let model = indexing(settings) else { return nil }
        var configuration = Tagging.Configuration()
        configuration.topics = settings.language.topics
        configuration.findsTopics = settings.language.findsTopics
        configuration.findsEntities = settings.language.findsEntities
        return Tagging(by: model, prompts: prompts, memory: memory, configuration: configuration, logger: logger)
    }

    /// Unites memories of the same meaning; `nil` without a model.
    func deduplication(
        _ settings: Settings, _ memory: LongTermMemory, _ documents: any DocumentStore, logger: Logger
    ) -> Deduplication? {
        guard let model = indexing(settings) else { return nil }
        var configuration = Deduplication.Configuration()
        configuration.threshold = settings.language.deduplicationThreshold
        return Deduplication(
            by: model, prompts: prompts, memory: memory, documents: documents, configuration: configuration,
            logger: logger)
    }

    /// Summarises sessions; `nil` if none are summarised.
    func summaries(_ settings: Settings, _ documents: any DocumentStore, logger: Logger) -> SessionSummaries? {
        guard settings.language.summarizes, let generation else { return nil }
        var configuration = SessionSummaries.Configuration()
        configuration.threshold = settings.memory.summarizationThreshold
        configuration.isInRequest = settings.language.summarizesInRequest
        configuration.requestTimeLimit = settings.language.summarizationTimeout
        return SessionSummaries(
            by: generation, prompts: prompts, documents: documents, configuration: configuration, logger: logger)
    }

    /// Summary views; `nil` without a model, or without long-term memory.
    func views(
        _ settings: Settings, _ memory: LongTermMemory, _ documents: any DocumentStore, _ tasks: ServerTasks,
        _ jobs: JobSubmitter, logger: Logger
    ) -> SummaryViews? {
        guard let model = fast ?? generation, settings.memory.isLongTermEnabled else { return nil }
        var configuration = SummaryViews.Configuration()
        configuration.callTokens = settings.language.viewTokens
        return SummaryViews(
            by: model, or: [generation].compactMap(\.self) + services, prompts: prompts, memory: memory,
            documents: documents,
            tasks: tasks, jobs: jobs, configuration: configuration, logger: logger)
    }
}
