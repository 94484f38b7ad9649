import AgentMemory
import HTTPTypes
import Hummingbird
import Logging
import MemoryConformance
import MemoryHTTP
import MemoryService
import NIOCore
import NIOEmbedded
import Prompts
import ReferenceBackend
import Synchronization

/// The whole API over the reference backend, without a socket.
///
/// Requests go straight to the router's responder: HummingbirdTesting does the same, but brings an
/// HTTP client with HTTP/2 along, which a build of the tests would have to compile.
struct APIFixture {
    /// 2026-01-02T03:04:05.000006Z
    static let now = Timestamp(microseconds: 1_767_323_045_000_006) ?? .earliest

    let embedder: SteeredEmbedder
    private let responder: RouterResponder<APIContext>
    let database: ReferenceMemoryDatabase
    let jobs: ReferenceJobQueue
    private let background: BackgroundWork

    static func run(
        configuration: APIRouter.Configuration = .init(), now: Timestamp = now, indexesMessages: Bool = false,
        reranker: (any Reranker)? = nil, languageModel: (any LanguageModel)? = nil,
        _ body: @Sendable @escaping (APIFixture) async throws -> Void
    ) async throws {
        let embedder = SteeredEmbedder()
        let database = ReferenceMemoryDatabase(embedder: embedder, now: { now })
        let recorder = AccessRecorder(database: database, logger: Logger(label: "test"), now: { now })
        let queue = ReferenceJobQueue(now: { now })
        let store = ReferenceWorkingMemoryStore(jobs: queue, now: { now })
        let promotion = Promotion(jobs: JobSubmitter(queue: queue), includesMessages: indexesMessages)
        let reranking = reranker.map { Reranking(by: $0, logger: Logger(label: "test")) }
        let documents = ReferenceDocumentStore(now: { now })
        let memory = LongTermMemory(
            database: database, accessRecorder: recorder,
            erasures: ErasureMarks(documents: documents, notes: queue), reranking: reranking, now: { now })
        let tasks = ServerTasks(documents: documents, now: { now })
        let operations = OpenOperations(memory: memory, documents: documents, logger: Logger(label: "test"))
        let background = BackgroundWork(
            tasks: tasks,
            erasures: Erasures(
                memories: database, sessions: store, queue: queue, documents: documents, now: { now }),
            operations: operations,
            compactions: Compactions(
                memory: memory, operations: operations, tasks: tasks, jobs: JobSubmitter(queue: queue),
                largestRequest: 5, now: { now }))
        let views = languageModel.map { model in
            SummaryViews(
                by: model, prompts: .builtIn, memory: memory, documents: documents,
                jobs: JobSubmitter(queue: queue), logger: Logger(label: "test"), now: { now })
        }
        let api = APIRouter(
            memory: memory,
            sessions: WorkingMemorySessions(store: store, promotion: promotion, now: { now }),
            readiness: Readiness(
                database: database, embedder: embedder, sessions: store, jobs: queue, reranking: reranking),
            background: background, summaryViews: views, configuration: configuration, now: { now })
        try await body(
            APIFixture(
                responder: api.router().buildResponder(), embedder: embedder, database: database, jobs: queue,
                background: background))
    }

    init(
        responder: RouterResponder<APIContext>, embedder: SteeredEmbedder, database: ReferenceMemoryDatabase,
        jobs: ReferenceJobQueue, background: BackgroundWork
    ) {
        self.background = background
        self.responder = responder
        self.embedder = embedder
        self.database = database
        self.jobs = jobs
    }

    struct Answer {
        let status: Int
        let headers: HTTPFields
        let text: String
        let json: JSONValue

        var detail: String? { json["detail"]?.stringValue }
        /// The places of a 422 answer, such as `body.memories.0.id`.
        var places: [String] {
            (json["detail"]?.arrayValue ?? []).map { issue in
                (issue["loc"]?.arrayValue ?? []).map { $0.stringValue ?? $0.jsonText }.joined(separator: ".")
            }
        }
        var types: [String] { (json["detail"]?.arrayValue ?? []).compactMap { $0["type"]?.stringValue } }
        var ids: [String] { (json["memories"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue } }
    }

    func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, headers: HTTPFields = [:]
    ) async throws -> Answer {
        try await send(method, path, bytes: body.map { Array($0.utf8) }, headers: headers)
    }

    func send(
        _ method: HTTPRequest.Method, _ path: String, bytes: [UInt8]?, headers: HTTPFields = [:]
    ) async throws -> Answer {
        var headers = headers
        if let bytes {
            if headers[.contentType] == nil { headers[.contentType] = "application/json" }
            headers[.contentLength] = "\(bytes.count)"
        }
        let request = Request(
            head: HTTPRequest(
                method: method, scheme: "http", authority: "localhost", path: path, headerFields: headers),
            body: RequestBody(buffer: ByteBuffer(bytes: bytes ?? [])))
        var logger = Logger(label: "test")
        // Where Hummingbird's server puts the request's id.
        logger[metadataKey: "hb.request.id"] = "test"
        let context = APIContext(source: .init(channel: NIOAsyncTestingChannel(), logger: logger))
        let response = try await responder.respond(to: request, context: context)
        let written = WrittenBody()
        try await response.body.write(written)
        let text = String(buffer: written.bytes.withLock(\.self))
        return Answer(
            status: response.status.code, headers: response.headers, text: text,
            json: (try? JSONValue(parsing: text)) ?? .null)
    }

    /// Runs the jobs of large compactions.
    ///
    /// - Returns: how many there were.
    func runCompactions() async throws -> Int {
        let handler = CompactionHandler(background.compactions)
        let leased = await jobs.lease(kinds: [handler.kind], limit: 10, for: .seconds(60))
        for job in leased {
            try await handler.run(job, isLastAttempt: false)
            _ = await jobs.complete(job)
        }
        return leased.count
    }

    func create(_ memories: String) async throws {
        let answer = try await send(.post, "/v1/long-term-memory/", "{\"memories\": [\(memories)]}")
        guard answer.status == 200 else {
            throw MemoryError(.internalError, "create answered \(answer.status): \(answer.text)")
        }
    }

    func search(_ body: String) async throws -> Answer {
        try await send(.post, "/v1/long-term-memory/search", body)
    }
}

/// Gathers the body of an answer.
private final class WrittenBody: ResponseBodyWriter {
    let bytes = Mutex(ByteBuffer())

    func write(_ buffer: ByteBuffer) async throws { bytes.withLock { _ = $0.writeImmutableBuffer(buffer) } }
    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
