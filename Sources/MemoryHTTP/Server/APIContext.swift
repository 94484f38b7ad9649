public import AgentMemory
public import Hummingbird
public import Logging

/// The context of one request in the middlewares and handlers.
public struct APIContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    /// Logs with the request's id, the client's own if it sent one.
    public var requestLogger: Logger
    /// Who the request is from; every use case asks for it.
    public var caller: Caller
    /// Why the request may not go on, where its route is not open to everyone.
    var refusal: AccessRefusal?
    /// What the request is processed on: the event loop of its connection, or the threads for
    /// large requests.
    var executor: any TaskExecutor

    public init(source: Source) {
        coreContext = .init(source: source)
        requestLogger = source.logger
        caller = .unrestricted
        executor = EventLoopExecutor(source.channel.eventLoop)
    }
}
