public import AgentMemory
import HTTPTypes
public import Hummingbird
public import MemoryService

/// The whole API as a Hummingbird router.
public struct APIRouter: Sendable {
    public struct Configuration: Sendable {
        /// Bytes that a request body may have; default 32 MiB.
        public var bodyLimit: Int
        /// LONG_TERM_MEMORY: where it is false, the routes of long-term memory answer 400, as the reference's do.
        public var longTermMemory: Bool
        /// What messages of working memory must be like.
        public var messageRules: MessageRules
        /// The share of a context window at which conversations are summarised, from 0 to 1.
        public var summarizationThreshold: Double

        public init(
            bodyLimit: Int = 32 << 20, longTermMemory: Bool = true, messageRules: MessageRules = MessageRules(),
            summarizationThreshold: Double = ContextBudget.standardThreshold
        ) {
            self.bodyLimit = bodyLimit
            self.longTermMemory = longTermMemory
            self.messageRules = messageRules
            self.summarizationThreshold = summarizationThreshold
        }
    }

    public typealias Context = APIContext
    typealias Handler = @Sendable (Request, Context) async throws -> Response
    /// A handler of a route with an id in its path, which arrives decoded.
    typealias ResourceHandler = @Sendable (Request, String) async throws -> Response

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
        let record: [HTTPRequest.Method: ResourceHandler] = [
            .get: { _, id in try await controller.get(id: id) },
            .patch: { request, id in try await controller.edit(request, id: id) },
        ]
        add(
            "/v1/long-term-memory",
            enabled([
                .post: { request, _ in try await controller.create(request) },
                .delete: { request, _ in try await controller.delete(request) },
            ]), to: router)
        let actions: [(String, Handler)] = [
            ("search", { request, _ in try await controller.search(request) }),
            ("list", { request, _ in try await controller.list(request) }),
            ("count", { request, _ in try await controller.count(request) }),
            ("compact", Self.notBuilt),
            ("forget", Self.notBuilt),
        ]
        for (name, handler) in actions {
            // A record may have the id "search": reading and editing it must not end at the action of that name.
            var handlers: [HTTPRequest.Method: Handler] = [.post: handler]
            for (method, resource) in record { handlers[method] = { request, _ in try await resource(request, name) } }
            add(RouterPath("/v1/long-term-memory/\(name)"), enabled(handlers), to: router)
        }
        add("/v1/long-term-memory/{id}", enabled(record.mapValues(Self.decodingID)), to: router)
    }

    private func addWorkingMemoryRoutes(to router: Router<Context>) {
        let controller = workingMemory
        let prompt = prompt
        add("/v1/working-memory", [.get: { request, _ in try await controller.list(request) }], to: router)
        let session: [HTTPRequest.Method: ResourceHandler] = [
            .get: { request, id in try await controller.get(request, id: id) },
            .put: { request, id in try await controller.put(request, id: id) },
            .delete: { request, id in try await controller.delete(request, id: id) },
        ]
        add("/v1/working-memory/{id}", session.mapValues(Self.decodingID), to: router)
        let messages: ResourceHandler = { request, id in try await controller.append(request, id: id) }
        add("/v1/working-memory/{id}/messages", [.post: Self.decodingID(messages)], to: router)
        add("/v1/memory/prompt", [.post: { request, _ in try await prompt.prompt(request) }], to: router)
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

    private static func decodingID(_ handler: @escaping ResourceHandler) -> Handler {
        { request, context in
            let raw = context.parameters.get("id") ?? ""
            // Ids hold any character, so the path carries them percent-encoded, a slash too.
            guard let id = percentDecoded(raw.utf8) else {
                return ErrorAnswer.response(.notFound, "Nothing has the ID \(raw)")
            }
            return try await handler(request, id)
        }
    }

    /// Adds the handlers of one path: HEAD goes where GET goes, every other method answers 405 and says what is allowed.
    private func add(
        _ path: RouterPath, _ handlers: [HTTPRequest.Method: Handler], to router: Router<Context>
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
        let allowed = handlers.keys.map(\.rawValue).sorted().joined(separator: ", ")
        for method in [HTTPRequest.Method.get, .head, .post, .put, .patch, .delete, .options, .trace] {
            if let handler = handlers[method] {
                router.on(path, method: method) { request, context in try await handler(request, context) }
            } else {
                router.on(path, method: method) { _, _ in
                    var response = ErrorAnswer.response(.methodNotAllowed, "Method Not Allowed")
                    response.headers[.allow] = allowed
                    return response
                }
            }
        }
    }
}
