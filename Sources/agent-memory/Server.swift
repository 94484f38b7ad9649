import AgentMemory
import BackendLoading
import HTTPClient
import Hummingbird
import HummingbirdCore
import LanguageModels
import Logging
import MemoryAPI
import MemoryHTTP
import MemoryService
import ServiceLifecycle
import Settings
import UnixSignals

/// Assembles the parts and runs them.
struct Server {
    let settings: Settings
    let logger: Logger

    /// How long the first `prepare()` may delay listening: `/v1/health` must respond even if a
    /// store is down.
    private static let preparationLimit: Duration = .milliseconds(200)
    /// How long requests in flight may take after SIGTERM.
    private static let shutdownLimit: Duration = .seconds(10)

    func run() async throws {
        let client = HTTPClient()
        do {
            try await serve(through: client)
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    private func serve(through client: HTTPClient) async throws {
        let assembly = Assembly(settings: settings, logger: logger)
        let embedder: any Embedder
        let meters = ServerMetrics.Meters()
        let models: Models
        let database: CheckedDatabase
        let stores: StateStores
        let front: Front
        do {
            embedder = try assembly.makeEmbedder(client: client, meter: meters.embedding)
            models = Models(
                reranking: try assembly.makeReranker(client: client, meter: meters.reranking).map {
                    Reranking(by: $0, logger: logger)
                }, languages: try Languages(settings, client: client, logger: logger), meters: meters)
            stores = try assembly.stateStores()
            front = Front(
                access: try Access(settings, tokens: stores.tokens, client: client, logger: logger),
                server: try .bounded(settings.connectionLimits, tls: settings.tlsFiles))
            database = try await assembly.makeDatabase(embedder: embedder, stores: stores)
        } catch {
            throw Refusal(error) ?? error
        }
        do {
            try await serve(embedder: embedder, models, database: database, stores: stores, front)
        } catch {
            await database.close()
            await stores.close()
            // Determined before or after the start: the backend does not fit what the store
            // contains.
            guard let error = error as? MemoryError else { throw error }
            throw Refusal("MEMORY_VECTOR_DB_FACTORY=\(settings.stores.factory): \(error.messageNamingSetting)")
        }
        await database.close()
        await stores.close()
    }

    /// What a request passes first: its connection, then who it is from.
    private struct Front {
        let access: Access
        let server: HTTPServerBuilder
    }

    /// The models that the server can do without.
    private struct Models {
        let reranking: Reranking?
        let languages: Languages
        /// What they and the jobs are counted by.
        let meters: ServerMetrics.Meters
    }

    private func serve(
        embedder: any Embedder, _ models: Models, database: CheckedDatabase, stores: StateStores, _ front: Front
    ) async throws {
        let access = front.access
        let recorder = AccessRecorder(database: database, logger: logger)
        // Apart from the others: a slow model must not keep memories from being stored.
        let slowJobs = JobSubmitter(queue: stores.jobs)
        let memory = LongTermMemory(
            database: database, accessRecorder: recorder, deletions: stores.jobs,
            erasures: ErasureMarks(documents: stores.documents, notes: stores.jobs), reranking: models.reranking,
            optimization: models.languages.optimization(settings, logger: logger),
            indexing: models.languages.indexing(settings, slowJobs, logger: logger))
        let jobs = JobSubmitter(queue: stores.jobs)
        let tasks = ServerTasks(
            documents: stores.documents, timeLimit: .seconds(60 * settings.language.taskTimeLimit))
        let operations = OpenOperations(
            memory: memory, documents: stores.documents,
            leaseSeconds: Int(settings.worker.lease.components.seconds), logger: logger)
        let background = BackgroundWork(
            tasks: tasks,
            erasures: Erasures(
                memories: database, sessions: stores.sessions, queue: stores.jobs, documents: stores.documents),
            operations: operations,
            compactions: Compactions(memory: memory, operations: operations, tasks: tasks, jobs: jobs))
        let usage = UsageLedger(models.languages.services, documents: stores.documents, logger: logger)
        let summaries = models.languages.summaries(settings, stores.documents, logger: logger)
        let promotion = Promotion(
            jobs: jobs, isEnabled: settings.memory.isLongTermEnabled,
            includesMessages: settings.memory.indexesAllMessages)
        let sessions = WorkingMemorySessions(
            store: stores.sessions, promotion: promotion,
            extraction: models.languages.extracting(settings).map { _ in
                Extraction(after: settings.language.extractionDelay, within: models.languages.reach)
            }, summaries: summaries)
        let views = models.languages.views(settings, memory, stores.documents, tasks, slowJobs, logger: logger)
        let derivation = derivationHandlers(memory, stores, slowJobs, models.languages, summaries, views)
        let worker = BackgroundWorker(
            queue: stores.jobs, jobs: jobs,
            handlers: [
                PromotionHandler(memory: memory, store: stores.sessions, jobs: jobs, retries: settings.jobRetries),
                ForgettingHandler(
                    memory: memory, queue: stores.jobs, policy: settings.forgettingPolicy,
                    retries: settings.jobRetries, logger: logger),
                ErasureHandler(background.erasures, jobs: jobs, retries: settings.jobRetries),
                CompactionHandler(background.compactions, retries: settings.jobRetries),
            ],
            configuration: settings.worker, outcomes: models.meters.jobs, logger: logger)
        let slowWorkers =
            derivation.isEmpty
            ? []
            : [
                BackgroundWorker(
                    queue: stores.jobs, jobs: slowJobs, handlers: derivation, configuration: settings.worker,
                    outcomes: models.meters.jobs, logger: logger)
            ]
        let work = LargeWork(limits: settings.workLimits)
        let requests = RequestsInWork(limits: settings.requestLimits)
        var api = settings.api(work, requests, access.http)
        api.replicated = (database.database as? any ReplicatedStore).flatMap { $0.hasReplica ? $0 : nil }
        if settings.server.showsMetrics { api.metrics = metrics(models, embedder, stores).families }
        let application = application(
            front.server,
            APIRouter(
                memory: memory, sessions: sessions,
                readiness: Readiness(
                    database: database, embedder: embedder, sessions: stores.sessions, jobs: stores.jobs,
                    tokens: access.tokens == nil ? nil : stores.tokens, reranking: models.reranking,
                    languageModels: models.languages.services,
                    documents: stores.documents, usage: usage),
                background: background, summaryViews: views,
                transfers: transfers(database, stores, memory, promotion, embedder), configuration: api))
        var storeServices = [
            StoreService("store", database, logger: logger),
            StoreService("sessions", stores.sessions, logger: logger),
            StoreService("jobs", stores.jobs, logger: logger),
            StoreService("documents", stores.documents, logger: logger),
        ]
        if access.tokens != nil { storeServices.append(StoreService("tokens", stores.tokens, logger: logger)) }
        try await withThrowingTaskGroup { group in
            for service in storeServices {
                group.addTask { try await service.prepare(within: Self.preparationLimit) }
            }
            try await group.waitForAll()
        }
        logger.info(
            "starting",
            metadata: [
                "version": "\(Version.number)", "backend": "\(settings.stores.factory)",
                "embedding_model": "\(embedder.model)",
                "dimensions": "\(embedder.dimensions)",
            ])
        access.warnIfOpen(host: settings.server.host, logger: logger)
        // Services end in reverse order: the API drains before the services that it uses end.
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = storeServices.map {
            .init(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup)
        }
        if let tokens = access.tokens { services.append(.init(service: tokens)) }
        services.append(.init(service: usage))
        services.append(.init(service: periodicWork(stores, background, views)))
        for slowWorker in slowWorkers { services.append(.init(service: slowWorker)) }
        for service in [recorder, worker, requests, application] as [any Service] {
            services.append(.init(service: service))
        }
        var configuration = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.shutdownLimit
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            await work.shutdown()
            throw error
        }
        await work.shutdown()
    }

    private func metrics(_ models: Models, _ embedder: any Embedder, _ stores: StateStores) -> ServerMetrics {
        ServerMetrics(
            meters: models.meters, languages: models.languages.services.compactMap { $0 as? MeteredLanguageModel },
            embedder: embedder, reranker: models.reranking?.model, jobs: stores.jobs,
            resting: stores.documents as? any RestingStore)
    }

    private func periodicWork(
        _ stores: StateStores, _ background: BackgroundWork, _ views: SummaryViews?
    ) -> PeriodicWork {
        let turns = Turns(documents: stores.documents)
        var entries = [
            PeriodicWork.Entry.lateTasks(background.tasks, turns: turns, logger: logger),
            background.operations.periodic,
        ]
        if let views {
            entries.append(views.periodic(every: 60 * settings.language.viewInterval, turns: turns))
        }
        if settings.forgetting.isEnabled {
            entries.append(
                .forgetting(every: 60 * settings.forgetting.everyMinutes, queue: stores.jobs, turns: turns))
        }
        if let minutes = settings.memory.compactionInterval, settings.memory.isLongTermEnabled {
            entries.append(background.compactions.periodic(every: 60 * minutes, turns: turns))
        }
        let resting = stores.documents as? any RestingStore
        return PeriodicWork(entries, isQuiet: { resting?.isQuiet ?? false }, logger: logger)
    }

    private func transfers(
        _ database: CheckedDatabase, _ stores: StateStores, _ memory: LongTermMemory, _ promotion: Promotion,
        _ embedder: any Embedder
    ) -> MemoryTransfers {
        let space = EmbeddingSpace(of: embedder)
        return MemoryTransfers(
            exporting: MemoryExport(
                database: database, sessions: stores.sessions, space: space, metric: settings.vectors.metric,
                server: Version.number),
            importing: MemoryImport(
                memory: memory, sessions: stores.sessions, promotion: promotion, space: space))
    }

    /// What works on jobs that need a language model.
    private func derivationHandlers(
        _ memory: LongTermMemory, _ stores: StateStores, _ jobs: JobSubmitter, _ languages: Languages,
        _ summaries: SessionSummaries?, _ views: SummaryViews?
    ) -> [any JobHandler] {
        var handlers: [any JobHandler] = []
        var recordExtraction: RecordExtraction?
        if let model = languages.extracting(settings) {
            var configuration = ExtractionHandler.Configuration()
            configuration.batchTokens = settings.language.extractionTokens
            configuration.contextTokens = settings.language.extractionContextTokens
            configuration.topics = settings.language.topics
            handlers.append(
                ExtractionHandler(
                    by: model, prompts: languages.prompts, memory: memory, sessions: stores.sessions,
                    documents: stores.documents, jobs: jobs, configuration: configuration,
                    retries: settings.jobRetries, logger: logger))
            recordExtraction = RecordExtraction(
                by: model, prompts: languages.prompts, memory: memory, documents: stores.documents,
                configuration: configuration, logger: logger)
        }
        if !languages.services.isEmpty {
            handlers.append(
                IndexingHandler(
                    tagging: languages.tagging(settings, memory, logger: logger), extraction: recordExtraction,
                    deduplication: languages.deduplication(settings, memory, stores.documents, logger: logger),
                    jobs: jobs, retries: settings.jobRetries, logger: logger))
        }
        if let summaries {
            handlers.append(
                SessionSummaryHandler(
                    summaries, sessions: stores.sessions, jobs: jobs, retries: settings.jobRetries, logger: logger))
        }
        if let views {
            handlers.append(SummaryViewHandler(views, jobs: jobs, retries: settings.jobRetries, logger: logger))
        }
        return handlers
    }

    private func application(_ server: HTTPServerBuilder, _ api: APIRouter) -> some Service {
        Application(
            router: api.router(), server: server,
            configuration: .init(
                address: .hostname(settings.server.host, port: settings.server.port), serverName: "agent-memory"),
            onServerRunning: { [logger, limit = settings.http.maximumConnections] channel in
                do {
                    try await AcceptGuard.install(
                        on: channel, limit: limit, limitName: Settings.names.http.maximumConnections, logger: logger)
                } catch {
                    // The server's channel was closed already: a signal came during the start.
                    logger.debug("connections are not limited", metadata: ["error": "\(error)"])
                }
                logger.info(
                    "listening", metadata: ["address": "\(channel.localAddress.map(String.init(describing:)) ?? "?")"])
            }, logger: logger)
    }
}

extension Settings {
    fileprivate func api(_ work: LargeWork, _ requests: RequestsInWork, _ access: HTTPAccess?)
        -> APIRouter.Configuration
    {
        APIRouter.Configuration(
            bodyLimit: self.http.bodyLimit, longTermMemory: self.memory.isLongTermEnabled,
            messageRules: MessageRules(
                maximumFutureSeconds: self.memory.maximumFutureSeconds,
                requiresDates: self.memory.requiresMessageTimestamps),
            summarizationThreshold: self.memory.summarizationThreshold, largeWork: work,
            requests: requests, access: access)
    }

    /// `nil` if there is no periodic forgetting.
    fileprivate var forgettingPolicy: ForgettingPolicy? {
        guard self.forgetting.isEnabled else { return nil }
        return ForgettingPolicy(
            maximumAgeDays: self.forgetting.maximumAgeDays.map(Double.init),
            maximumInactiveDays: self.forgetting.maximumInactiveDays.map(Double.init), budget: self.forgetting.budget)
    }

    fileprivate var connectionLimits: ConnectionLimits {
        var limits = ConnectionLimits()
        limits.headBytes = self.http.headLimit
        limits.bodyBytes = self.http.bodyLimit
        limits.headTimeout = self.http.headTimeout
        limits.bodyTimeout = self.http.bodyTimeout
        limits.idleTimeout = self.http.idleTimeout
        limits.writeTimeout = self.http.writeTimeout
        limits.names = Self.connectionLimitNames
        return limits
    }

    fileprivate var tlsFiles: TLSFiles? {
        guard let certificate = self.server.certificateFile, let key = self.server.keyFile else { return nil }
        return TLSFiles(certificateChain: certificate, key: key)
    }

    fileprivate var workLimits: WorkLimits {
        var limits = WorkLimits()
        limits.bytes = self.http.workBytes
        limits.bytesName = Self.names.http.workBytes
        limits.patience = self.http.workWait
        limits.threads = self.http.workThreads
        return limits
    }

    fileprivate var requestLimits: RequestsInWork.Limits {
        var limits = RequestsInWork.Limits()
        limits.count = self.http.maximumRequests
        limits.timeout = self.http.requestTimeout
        limits.names = (Self.names.http.maximumRequests, Self.names.http.requestTimeout)
        return limits
    }

    fileprivate var worker: BackgroundWorker.Configuration {
        BackgroundWorker.Configuration(
            concurrency: self.jobs.concurrency, pollInterval: self.jobs.pollInterval, lease: self.jobs.lease)
    }

    fileprivate var jobRetries: RetryPolicy {
        RetryPolicy(attempts: self.jobs.attempts, base: self.jobs.backoff, limit: self.jobs.backoffLimit)
    }
}
