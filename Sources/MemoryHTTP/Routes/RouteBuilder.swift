import AgentMemory
import HTTPTypes
import Hummingbird

/// Collects the routes of controllers.
struct RouteBuilder {
    typealias Handler = @Sendable (Request, APIContext) async throws -> Response
    /// The methods that exist for the exact path of a request.
    typealias PathMethods = @Sendable (Request, HTTPRequest.Method) -> Bool

    private let router: Router<APIContext>
    private let bodyLimit: Int
    private let requests: RequestsInWork?

    /// - Parameters:
    ///   - bodyLimit: bytes that a request body may have.
    ///   - requests: bounds the requests in work; `nil` sets no bounds.
    init(router: Router<APIContext>, bodyLimit: Int, requests: RequestsInWork?) {
        self.router = router
        self.bodyLimit = bodyLimit
        self.requests = requests
    }

    /// A handler that checks the request's inputs before `handle` runs, within the bounds of all
    /// requests.
    func handler(
        _ inputs: RouteInputs = RouteInputs(), _ handle: @escaping @Sendable (RouteCall) async throws -> Response
    ) -> Handler {
        { [bodyLimit, requests] request, context in
            let call = try await inputs.call(request, context, bodyLimit: bodyLimit)
            if !inputs.permitsCopies { ReadPosition.current?.excludeCopies() }
            let process: @Sendable () async throws -> Response = {
                guard inputs.right != .read else { return try await handle(call) }
                // All that one request writes is one operation.
                return try await WriteOrigin.$current.withValue(WriteOrigin(caller: context.caller.subject)) {
                    try await handle(call)
                }
            }
            guard let requests else { return try await process() }
            return try await requests.process(on: context.executor, process)
        }
    }

    /// A handler that reads the body itself as it arrives, not on the event loop: that has other
    /// connections to serve. Neither the bounds of all requests nor their deadline hold for it.
    func streamingHandler(
        _ inputs: RouteInputs, _ handle: @escaping @Sendable (RouteCall) async throws -> Response
    ) -> Handler {
        { request, context in
            try await withTaskExecutorPreference(globalConcurrentExecutor) {
                try await handle(try await inputs.call(request, context, bodyLimit: nil))
            }
        }
    }

    /// A handler for routes that this version does not have.
    static let notBuilt: Handler = { request, _ in
        .error(.notImplemented, "\(request.method.rawValue) \(request.uri.path) is not part of this version yet")
    }

    /// Adds the handlers of one path. HEAD is handled as GET; every other method gets 405 and the
    /// list of allowed ones.
    ///
    /// - Parameter isOpen: whether requests that are refused otherwise get through.
    func add(
        _ path: RouterPath, _ handlers: [HTTPRequest.Method: Handler], isOpen: Bool = false,
        where hasMethod: @escaping PathMethods = { _, _ in true }
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
                if let handler = offered[method], hasMethod(request, method) {
                    if !isOpen, let refusal = context.refusal { throw refusal }
                    return try await handler(request, context)
                }
                var response = Response.error(.methodNotAllowed, "Method Not Allowed")
                let allowed = offered.keys.filter { hasMethod(request, $0) }
                response.headers[.allow] = allowed.map(\.rawValue).sorted().joined(separator: ", ")
                return response
            }
        }
    }
}
