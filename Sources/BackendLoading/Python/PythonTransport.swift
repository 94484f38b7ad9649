import AgentMemory
import BackendProtocol
import Logging
import Synchronization

/// Calls a backend in a separate Python program. If the program ends, calls fail with
/// `storeUnavailable` until it runs again.
final class PythonTransport: BackendTransport {
    /// How the program is started, each time.
    private struct Recipe: Sendable {
        let factory: String
        let setting: String
        let settings: BackendSettings
        let interpreter: String
    }

    private struct State {
        /// `nil` while it does not run.
        var child: PythonChild?
        var generation = 0
        var isClosed = false
        /// How the last one ended.
        var ending = ""
    }

    /// Time limit for importing the module and creating the backend together.
    private static let startLimit: Duration = .seconds(120)
    /// How long the backend may take to close itself.
    private static let closingLimit: Duration = .seconds(5)
    private static let shortestPause: Duration = .milliseconds(250)
    private static let longestPause: Duration = .seconds(30)

    let description: BackendDescription

    private let recipe: Recipe
    private let calls: PendingCalls
    private let embedder: any Embedder
    private let logger: Logger
    private let state: Mutex<State>

    private init(
        _ child: PythonChild, recipe: Recipe, calls: PendingCalls, embedder: any Embedder, logger: Logger
    ) {
        description = child.description
        self.recipe = recipe
        self.calls = calls
        self.embedder = embedder
        self.logger = logger
        state = Mutex(State(child: child))
    }

    /// Starts Python and calls the factory.
    ///
    /// - Parameters:
    ///   - factory: the dotted name of a function.
    ///   - setting: the value of the factory setting, for errors.
    /// - Throws: ``BackendFactoryError``: one of the four failures.
    static func make(
        factory: String, setting: String, settings: BackendSettings, interpreter: String, embedder: any Embedder,
        logger: Logger
    ) async throws(BackendFactoryError) -> PythonTransport {
        let recipe = Recipe(factory: factory, setting: setting, settings: settings, interpreter: interpreter)
        let calls = PendingCalls(timeout: .milliseconds(settings.timeoutMilliseconds))
        let child = try await start(recipe, calls: calls, embedder: embedder, logger: logger)
        return PythonTransport(child, recipe: recipe, calls: calls, embedder: embedder, logger: logger)
    }

    private static func start(
        _ recipe: Recipe, calls: PendingCalls, embedder: any Embedder, logger: Logger
    ) async throws(BackendFactoryError) -> PythonChild {
        try await PythonChild.start(
            factory: recipe.factory, setting: recipe.setting, settings: recipe.settings,
            interpreter: recipe.interpreter, within: startLimit,
            receive: { message, send in
                switch message {
                case .started, .refused: break
                case .answer(let number, let reply):
                    let reception = calls.answer(number, reply)
                    if reception != .taken {
                        logger.warning(
                            reception == .late
                                ? "the backend responded to a call that has ended already: twice, or too late"
                                : "the backend responded to a call that was never made",
                            metadata: ["backend": "\(recipe.factory)", "call": "\(number)"])
                    }
                case .embed(let request, let call, let texts):
                    calls.beginEmbedding(call)
                    let work = Task {
                        do {
                            send(PythonFrame.embedded(request, try await embedder.checkedEmbeddings(of: texts)))
                        } catch {
                            calls.embeddingFailed(call, error)
                            send(PythonFrame.notEmbedded(request, error))
                        }
                        calls.endEmbedding(call)
                    }
                    calls.end(work, with: call)
                case .log(let level, let message):
                    logger.log(
                        level: Logger.Level(rawValue: level) ?? .error, "\(message)",
                        metadata: ["backend": "\(recipe.factory)"])
                }
            }, logger: logger)
    }

    func has(_ operation: BackendOperation) -> Bool {
        // The program has all of them, and does nothing for one that the user's backend lacks.
        true
    }

    var generation: Int { state.withLock(\.generation) }

    func call(_ operation: BackendOperation, _ request: [UInt8], texts: [String]) async throws -> JSONValue {
        let (child, ending) = state.withLock { ($0.child, $0.ending) }
        guard let child else {
            throw MemoryError(
                .storeUnavailable,
                "the Python program of the backend \(description.name) has ended (\(ending)) and is being restarted"
            )
        }
        let reply = try await calls.perform(operation, backend: description.name) { number in
            guard let left = calls.start(number) else { return }
            child.send(PythonFrame.call(number, operation, timeoutMilliseconds: left, request: request))
            // The program may have ended before this call was registered.
            if state.withLock({ $0.child !== child }) { calls.failAll(Self.gone(description.name)) }
        } giveUp: { number in
            child.send(PythonFrame.cancel(number))
        }
        return try reply.value(of: operation, backend: description.name)
    }

    private static func gone(_ name: String) -> MemoryError {
        MemoryError(.storeUnavailable, "the Python program of the backend \(name) ended during the call")
    }

    /// Watches the program, and restarts it when it ends, after pauses that double.
    func run() async throws {
        var pause = Self.shortestPause
        while !Task.isCancelled {
            guard let child = state.withLock(\.child) else { return }
            let since = ContinuousClock.now
            await child.waitForEnd()
            if Task.isCancelled || state.withLock(\.isClosed) { return }
            if ContinuousClock.now - since > Self.longestPause { pause = Self.shortestPause }
            state.withLock { $0.child = nil }
            calls.failAll(Self.gone(description.name))
            let ending = await child.collect()
            state.withLock { $0.ending = ending }
            logger.error(
                "the Python program of the backend has ended and is being restarted",
                metadata: ["backend": "\(recipe.factory)", "ended_with": "\(ending)"])
            try await restart(&pause)
        }
    }

    private func restart(_ pause: inout Duration) async throws {
        while true {
            try await Task.sleep(for: pause)
            pause = min(pause * 2, Self.longestPause)
            do {
                let child = try await Self.start(recipe, calls: calls, embedder: embedder, logger: logger)
                let isWanted = state.withLock { state in
                    guard !state.isClosed else { return false }
                    state.child = child
                    state.generation += 1
                    return true
                }
                if !isWanted {
                    await child.close(within: .zero)
                    _ = await child.collect()
                }
                return
            } catch {
                logger.error(
                    "the Python program could not be restarted, trying again",
                    metadata: ["backend": "\(recipe.factory)", "error": "\(error)"])
            }
        }
    }

    func close() async {
        let child = state.withLock { state in
            state.isClosed = true
            defer { state.child = nil }
            return state.child
        }
        calls.failAll(MemoryError(.storeUnavailable, "the server is shutting down"))
        guard let child else { return }
        await child.close(within: Self.closingLimit)
        _ = await child.collect()
    }
}
