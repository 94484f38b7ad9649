import AgentMemory
import Hummingbird
import Logging
import MemoryConformance
import MemoryHTTP
import MemoryService
import Prompts
import ReferenceBackend
import TestSupport

/// The whole API with all that a language model does, over the reference backend, without a socket.
/// Jobs run when the test says so.
struct LanguageFixture {
    let api: APIFixture
    let clock: MovedClock
    private let queue: ReferenceJobQueue
    private let handlers: [any JobHandler]

    /// - Parameter embedder: decides which texts are near.
    init(_ model: any LanguageModel, embedder: SteeredEmbedder, clock: MovedClock) {
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let now: @Sendable () -> Timestamp = { clock.now }
        let database = ReferenceMemoryDatabase(embedder: embedder, now: now)
        let queue = ReferenceJobQueue(now: now)
        let store = ReferenceWorkingMemoryStore(jobs: queue, now: now)
        let documents = ReferenceDocumentStore(now: now)
        let jobs = JobSubmitter(queue: queue)
        let memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: logger, now: now),
            optimization: QueryOptimization(
                by: model, prompt: .queryOptimization, minimumLength: 2, timeLimit: .seconds(5), logger: logger),
            indexing: Indexing(jobs: jobs, steps: [.tagging, .extraction, .deduplication], logger: logger), now: now)
        let summaries = SessionSummaries(by: model, prompts: .builtIn, documents: documents, logger: logger)
        let views = SummaryViews(
            by: model, prompts: .builtIn, memory: memory, documents: documents, jobs: jobs, logger: logger, now: now)
        let sessions = WorkingMemorySessions(
            store: store, promotion: Promotion(jobs: jobs), extraction: Extraction(after: .seconds(30)),
            summaries: summaries, now: now)
        handlers = [
            PromotionHandler(memory: memory, store: store, jobs: jobs, now: now),
            ExtractionHandler(
                by: model, prompts: .builtIn, memory: memory, sessions: store, documents: documents, jobs: jobs,
                logger: logger, now: now),
            SessionSummaryHandler(summaries, sessions: store, jobs: jobs, logger: logger),
            SummaryViewHandler(views, jobs: jobs, logger: logger),
            IndexingHandler(
                tagging: Tagging(by: model, prompts: .builtIn, memory: memory, logger: logger),
                extraction: RecordExtraction(
                    by: model, prompts: .builtIn, memory: memory, documents: documents, logger: logger, now: now),
                deduplication: Deduplication(
                    by: model, prompts: .builtIn, memory: memory, documents: documents, logger: logger, now: now),
                jobs: jobs, logger: logger),
        ]
        let tasks = ServerTasks(documents: documents, now: now)
        let operations = OpenOperations(memory: memory, documents: documents, logger: logger)
        let background = BackgroundWork(
            tasks: tasks,
            erasures: Erasures(memories: database, sessions: store, queue: queue, documents: documents, now: now),
            operations: operations,
            compactions: Compactions(memory: memory, operations: operations, tasks: tasks, jobs: jobs, now: now))
        let router = APIRouter(
            memory: memory, sessions: sessions,
            readiness: Readiness(database: database, embedder: embedder, sessions: store, jobs: queue),
            background: background, summaryViews: views, configuration: .init(), now: now)
        api = APIFixture(
            responder: router.router().buildResponder(), embedder: embedder, database: database, jobs: queue,
            background: background)
        self.clock = clock
        self.queue = queue
    }

    /// Lets time pass and does all jobs that become due, as workers do. Jobs that wait for the
    /// model longer than two minutes are left.
    func settle() async throws {
        for _ in 0..<4 {
            for handler in handlers {
                for job in await queue.lease(kinds: [handler.kind], limit: 1000, for: .seconds(60)) {
                    do {
                        try await handler.run(job, isLastAttempt: job.attempt >= 3)
                        _ = await queue.complete(job)
                    } catch let error as MemoryError {
                        _ =
                            job.attempt >= 3
                            ? await queue.bury(job, reason: error.message)
                            : await queue.retry(job, after: .seconds(1), reason: error.message)
                    } catch {
                        // The handler has given the job up by itself.
                        _ = await queue.bury(job, reason: "\(error)")
                    }
                }
            }
            if await queue.counts().waiting == 0 { return }
            clock.move(bySeconds: 31)
        }
    }
}
