import AgentMemory
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import MemoryConformance
import MemoryHTTP
import MemoryService
import NIOCore
import ReferenceBackend

/// The whole API over the reference backend, without a socket.
struct APIFixture {
    /// 2026-01-02T03:04:05.000006Z
    static let now = Timestamp(microseconds: 1_767_323_045_000_006) ?? .earliest

    let embedder: SteeredEmbedder
    let client: any TestClientProtocol
    let database: ReferenceMemoryDatabase
    let jobs: ReferenceJobQueue

    static func run(
        configuration: APIRouter.Configuration = .init(), now: Timestamp = now, indexesMessages: Bool = false,
        _ body: @Sendable @escaping (APIFixture) async throws -> Void
    ) async throws {
        let embedder = SteeredEmbedder()
        let database = ReferenceMemoryDatabase(embedder: embedder, now: { now })
        let recorder = AccessRecorder(database: database, logger: Logger(label: "test"), now: { now })
        let queue = ReferenceJobQueue(now: { now })
        let store = ReferenceWorkingMemoryStore(jobs: queue, now: { now })
        let promotion = Promotion(jobs: BackgroundJobs(queue: queue), includesMessages: indexesMessages)
        let api = APIRouter(
            memory: LongTermMemory(database: database, accessRecorder: recorder, now: { now }),
            sessions: WorkingMemorySessions(store: store, promotion: promotion, now: { now }),
            readiness: Readiness(database: database, embedder: embedder, sessions: store, jobs: queue),
            configuration: configuration, now: { now })
        let app = Application(router: api.router())
        try await app.test(.router) { client in
            try await body(APIFixture(client: client, embedder: embedder, database: database, jobs: queue))
        }
    }

    private init(
        client: any TestClientProtocol, embedder: SteeredEmbedder, database: ReferenceMemoryDatabase,
        jobs: ReferenceJobQueue
    ) {
        self.client = client
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
        var headers = headers
        if body != nil, headers[.contentType] == nil { headers[.contentType] = "application/json" }
        return try await client.execute(
            uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }
        ) { response in
            let text = String(buffer: response.body)
            return Answer(
                status: response.status.code, headers: response.headers, text: text,
                json: (try? JSONValue(parsing: text)) ?? .null)
        }
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
