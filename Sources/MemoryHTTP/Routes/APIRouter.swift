public import AgentMemory
import HTTPTypes
public import Hummingbird
public import MemoryService

/// The whole API as a Hummingbird router.
public struct APIRouter: Sendable {
    public struct Configuration: Sendable {
        /// Bytes that a request body may have; default 32 MiB.
        public var bodyLimit: Int
        /// Whether there is long-term memory; if not, the routes of long-term memory answer 400, as the reference's do.
        public var longTermMemory: Bool
        /// What messages of working memory must be like.
        public var messageRules: MessageRules
        /// The share of a context window at which conversations are summarised, from 0 to 1.
        public var summarizationThreshold: Double
        /// Bounds large requests and works on them; `nil` sets no bounds.
        public var largeWork: LargeWork?

        public init(
            bodyLimit: Int = 32 << 20, longTermMemory: Bool = true, messageRules: MessageRules = MessageRules(),
            summarizationThreshold: Double = ContextBudget.standardThreshold, largeWork: LargeWork? = nil
        ) {
            self.bodyLimit = bodyLimit
            self.longTermMemory = longTermMemory
            self.messageRules = messageRules
            self.summarizationThreshold = summarizationThreshold
            self.largeWork = largeWork
        }
    }

    public typealias Context = APIContext
    typealias Handler = @Sendable (Request, Context) async throws -> Response
    /// Which methods of a route the very path of a request has.
    typealias PathMethods = @Sendable (Request, HTTPRequest.Method) -> Bool

    private let longTermMemory: LongTermMemoryController
    private let workingMemory: WorkingMemoryController
    private let prompt: PromptController
    private let system: SystemController
    private let configuration: Configuration

    /// - Parameter now: the clock that dates of new records and `/v1/health` show.
    public init(
        memory: LongTermMemory, sessions: WorkingMemorySessions, readiness: Readiness,
        configuration: Configuration = Configuration(), now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        let body = RequestBody(limit: configuration.bodyLimit)
        longTermMemory = LongTermMemoryController(memory: memory, body: body, now: now)
        workingMemory = WorkingMemoryController(
            sessions: sessions, body: body, rules: configuration.messageRules,
            summarizationThreshold: configuration.summarizationThreshold, now: now)
        prompt = PromptController(
            prompt: MemoryPrompt(sessions: sessions, memory: memory), body: body,
            summarizationThreshold: configuration.summarizationThreshold,
            longTermMemory: configuration.longTermMemory)
        system = SystemController(readiness: readiness, now: now)
        self.configuration = configuration
    }

    public func router() -> Router<Context> {
        let router = Router(context: Context.self)
        router.add(middleware: RequestIDMiddleware())
        router.add(middleware: ErrorMiddleware())
        if let work = configuration.largeWork { router.add(middleware: LargeWorkMiddleware(work: work)) }
        addSystemRoutes(to: router)
        addLongTermMemoryRoutes(to: router)
        addWorkingMemoryRoutes(to: router)
        addPlannedRoutes(to: router)
        return router
    }

    private func addSystemRoutes(to router: Router<Context>) {
        let system = system
        add("/v1/health", [.get: { _, _ in system.health() }], to: router)
        add("/v1/ready", [.get: { _, _ in await system.ready() }], to: router)
    }

    private func addLongTermMemoryRoutes(to router: Router<Context>) {
        let controller = longTermMemory
        // Clients in JavaScript send a namespace along, which has never meant anything here: ids are unique without it.
        let namespaced = QueryParameters.Expected(ignored: ["namespace"])
        let record: [HTTPRequest.Method: Handler] = [
            .get: Self.route(RouteInputs(query: namespaced)) { call in
                try await controller.get(id: try call.id("memory_id"))
            },
            .patch: Self.route(RouteInputs(takesBody: true)) { call in
                try await controller.edit(call.request, id: try call.id("memory_id"))
            },
        ]
        let ids = QueryParameters.Expected(lists: ["memory_ids"], ignored: ["namespace"])
        add(
            "/v1/long-term-memory",
            enabled([
                .post: Self.route(RouteInputs(query: namespaced, takesBody: true)) { call in
                    try await controller.create(call.request)
                },
                .delete: Self.route(RouteInputs(query: ids)) { call in try await controller.delete(call.query) },
            ]), to: router)
        let actions: [(String, Handler)] = [
            (
                "search",
                Self.route(RouteInputs(query: SearchBody.ofQuery, takesBody: true)) { call in
                    try await controller.search(call.request, call.query)
                }
            ),
            ("list", Self.route(RouteInputs(takesBody: true)) { call in try await controller.list(call.request) }),
            ("count", Self.route(RouteInputs(takesBody: true)) { call in try await controller.count(call.request) }),
            ("compact", Self.notBuilt),
            ("forget", Self.notBuilt),
        ]
        for (name, handler) in actions {
            // A record may have the id "search": reading and editing it must not end at the action of that name.
            let handlers = record.merging([.post: handler]) { $1 }
            add(RouterPath("/v1/long-term-memory/\(name)"), enabled(handlers), to: router)
        }
        add("/v1/long-term-memory/**", enabled(record), to: router)
    }

    private func addWorkingMemoryRoutes(to router: Router<Context>) {
        let controller = workingMemory
        let prompt = prompt
        add(
            "/v1/working-memory",
            [
                .get: Self.route(RouteInputs(query: SessionParameters.ofList)) { call in
                    try await controller.list(call.query)
                }
            ], to: router)
        let action = "/messages"
        let session: [HTTPRequest.Method: Handler] = [
            .get: Self.route(RouteInputs(query: SessionParameters.ofGet)) { call in
                try await controller.get(id: try call.id("session_id"), call.query)
            },
            .put: Self.route(
                RouteInputs(query: SessionParameters.ofPut, takesBody: true, takesConditions: true)
            ) { call in
                try await controller.put(call.request, id: try call.id("session_id"), call.query)
            },
            .delete: Self.route(RouteInputs(query: SessionParameters.ofDelete, takesConditions: true)) { call in
                try await controller.delete(call.request, id: try call.id("session_id"), call.query)
            },
            .post: Self.route(RouteInputs(query: SessionParameters.ofAppend, takesBody: true)) { call in
                try await controller.append(call.request, id: try call.id("session_id", before: action), call.query)
            },
        ]
        add("/v1/working-memory/**", session, to: router) { request, method in
            method != .post || request.resource.utf8.suffix(action.utf8.count).elementsEqual(action.utf8)
        }
        add(
            "/v1/memory/prompt",
            [
                .post: Self.route(RouteInputs(query: SearchBody.ofQuery, takesBody: true)) { call in
                    try await prompt.prompt(call.request, call.query)
                }
            ], to: router)
    }

    /// Routes of the API that this version does not have yet.
    private func addPlannedRoutes(to router: Router<Context>) {
        let planned: [(RouterPath, [HTTPRequest.Method])] = [
            ("/v1/summary-views", [.post, .get]),
            ("/v1/summary-views/{id}", [.get, .delete]),
            ("/v1/summary-views/{id}/partitions", [.get]),
            ("/v1/summary-views/{id}/partitions/run", [.post]),
            ("/v1/summary-views/{id}/run", [.post]),
            ("/v1/tasks/{id}", [.get]),
        ]
        for (path, methods) in planned {
            add(path, Dictionary(uniqueKeysWithValues: methods.map { ($0, Self.notBuilt) }), to: router)
        }
    }

    private static let notBuilt: Handler = { request, _ in
        ErrorAnswer.response(
            .notImplemented, "\(request.method.rawValue) \(request.uri.path) is not part of this version yet")
    }

    private func enabled(_ handlers: [HTTPRequest.Method: Handler]) -> [HTTPRequest.Method: Handler] {
        guard !configuration.longTermMemory else { return handlers }
        return handlers.mapValues { _ in
            { _, _ in ErrorAnswer.response(.badRequest, "Long-term memory is disabled") }
        }
    }

    private static func route(
        _ inputs: RouteInputs, _ handler: @escaping @Sendable (RouteCall) async throws -> Response
    ) -> Handler {
        { request, _ in try await handler(RouteCall(request: request, query: try await inputs.check(request))) }
    }

    /// Adds the handlers of one path: HEAD goes where GET goes, every other method answers 405 and says what is allowed.
    private func add(
        _ path: RouterPath, _ handlers: [HTTPRequest.Method: Handler], to router: Router<Context>,
        where isThere: @escaping PathMethods = { _, _ in true }
    ) {
        var handlers = handlers
        if let get = handlers[.get] {
            handlers[.head] = { request, context in
                var response = try await get(request, context)
                response.body = ResponseBody(contentLength: response.body.contentLength) { writer in
                    try await writer.finish(nil)
                }
                return response
            }
        }
        let offered = handlers
        for method in [HTTPRequest.Method.get, .head, .post, .put, .patch, .delete, .options, .trace] {
            router.on(path, method: method) { request, context in
                if let handler = offered[method], isThere(request, method) {
                    return try await handler(request, context)
                }
                var response = ErrorAnswer.response(.methodNotAllowed, "Method Not Allowed")
                let allowed = offered.keys.filter { isThere(request, $0) }
                response.headers[.allow] = allowed.map(\.rawValue).sorted().joined(separator: ", ")
                return response
            }
        }
    }
}
