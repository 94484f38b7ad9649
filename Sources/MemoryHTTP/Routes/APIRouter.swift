public import AgentMemory
public import Hummingbird
public import MemoryAPI
public import MemoryService
public import Metering

/// The whole API as a Hummingbird router.
public struct APIRouter: Sendable {
    public struct Configuration: Sendable {
        /// Bytes that a request body may have; default 32 MiB.
        public var bodyLimit: Int
        /// Whether there is long-term memory; if not, the routes of long-term memory respond with
        /// 400, as the reference's do.
        public var longTermMemory: Bool
        /// Rules for messages of working memory.
        public var messageRules: MessageRules
        /// The share of a context window at which conversations are summarised, from 0 to 1.
        public var summarizationThreshold: Double
        /// Bounds large requests and processes them; `nil` sets no bounds.
        public var largeWork: LargeWork?
        /// Bounds how many requests are in work, and for how long; `nil` sets no bounds.
        public var requests: RequestsInWork?
        /// How requests are authenticated; `nil` serves everyone.
        public var access: HTTPAccess?
        /// The store with copies that may answer reads; default `nil`: there are none.
        public var replicated: (any ReplicatedStore)?
        /// What `GET /metrics` shows next to the requests. Default: `nil`; then the route does not
        /// exist, and requests are not counted.
        public var metrics: (@Sendable () async -> [MetricFamily])?

        public init(
            bodyLimit: Int = 32 << 20, longTermMemory: Bool = true, messageRules: MessageRules = MessageRules(),
            summarizationThreshold: Double = ContextBudget.standardThreshold, largeWork: LargeWork? = nil,
            requests: RequestsInWork? = nil, access: HTTPAccess? = nil
        ) {
            self.bodyLimit = bodyLimit
            self.longTermMemory = longTermMemory
            self.messageRules = messageRules
            self.summarizationThreshold = summarizationThreshold
            self.largeWork = largeWork
            self.requests = requests
            self.access = access
        }
    }

    public typealias Context = APIContext

    private let longTermMemory: LongTermMemoryController
    private let workingMemory: WorkingMemoryController
    private let prompt: PromptController
    private let system: SystemController
    private let summaryViews: SummaryViewController
    private let tasks: TaskController
    private let transfers: TransferController?
    private let configuration: Configuration

    /// - Parameters:
    ///   - background: what works on after a response.
    ///   - summaryViews: `nil` on a server without a language model.
    ///   - transfers: exports and imports; `nil` leaves their routes out.
    ///   - now: the clock for dates of new records and for `/v1/health`.
    public init(
        memory: LongTermMemory, sessions: WorkingMemorySessions, readiness: Readiness,
        background: BackgroundWork, summaryViews: SummaryViews? = nil, transfers: MemoryTransfers? = nil,
        configuration: Configuration = Configuration(), now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        longTermMemory = LongTermMemoryController(
            memory: memory, operations: background.operations, compactions: background.compactions,
            isEnabled: configuration.longTermMemory, now: now)
        workingMemory = WorkingMemoryController(
            sessions: sessions, rules: configuration.messageRules,
            summarizationThreshold: configuration.summarizationThreshold, now: now)
        prompt = PromptController(
            prompt: MemoryPrompt(sessions: sessions, memory: memory),
            summarizationThreshold: configuration.summarizationThreshold,
            longTermMemory: configuration.longTermMemory)
        system = SystemController(readiness: readiness, authentication: configuration.access?.mode, now: now)
        self.summaryViews = SummaryViewController(views: summaryViews)
        tasks = TaskController(tasks: background.tasks, erasures: background.erasures)
        self.transfers = transfers.map {
            TransferController(transfers: $0, isEnabled: configuration.longTermMemory, now: now)
        }
        self.configuration = configuration
    }

    public func router() -> Router<Context> {
        let router = Router(context: Context.self)
        let metrics = configuration.metrics.map { others in
            MetricsController(
                requests: RequestMetrics(
                    requests: configuration.requests, largeWork: configuration.largeWork, transfers: transfers),
                others: others)
        }
        if let metrics { router.add(middleware: MetricsMiddleware(metrics: metrics.requests)) }
        router.add(middleware: RequestIDMiddleware())
        if let access = configuration.access { router.add(middleware: AuthenticationMiddleware(access: access)) }
        router.add(middleware: ErrorMiddleware())
        if let store = configuration.replicated { router.add(middleware: ReadPositionMiddleware(store: store)) }
        if let work = configuration.largeWork { router.add(middleware: LargeWorkMiddleware(work: work)) }
        let routes = RouteBuilder(
            router: router, bodyLimit: configuration.bodyLimit, requests: configuration.requests)
        system.addRoutes(to: routes)
        longTermMemory.addRoutes(to: routes)
        workingMemory.addRoutes(to: routes)
        prompt.addRoutes(to: routes)
        summaryViews.addRoutes(to: routes)
        tasks.addRoutes(to: routes)
        transfers?.addRoutes(to: routes)
        metrics?.addRoutes(to: routes)
        return router
    }
}

/// The use cases whose work may go on after their response, as tasks.
public struct BackgroundWork: Sendable {
    public let tasks: ServerTasks
    public let erasures: Erasures
    public let operations: OpenOperations
    public let compactions: Compactions

    public init(tasks: ServerTasks, erasures: Erasures, operations: OpenOperations, compactions: Compactions) {
        self.tasks = tasks
        self.erasures = erasures
        self.operations = operations
        self.compactions = compactions
    }
}
