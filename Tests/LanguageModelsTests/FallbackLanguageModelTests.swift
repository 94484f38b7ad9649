import AgentMemory
import HTTPClient
import ModelServices
import Synchronization
import Testing

@testable import LanguageModels

@Suite struct FallbackLanguageModelTests {
    /// A service that answers its name or what a test says, and keeps what it was asked.
    private final class Service: AnsweringModel {
        typealias Reply = @Sendable (LanguageRequest) async throws -> LanguageAnswer

        let model: String
        private let reply: Mutex<Reply>
        private let asked = Mutex<[LanguageRequest]>([])
        private let pause = Mutex(Duration.zero)

        init(_ model: String) {
            self.model = model
            reply = Mutex<Reply>({ _ in
                LanguageAnswer(model, isWhole: true, tokens: TokenCount(input: 3, output: 1))
            })
        }

        var limits: [Duration] { asked.withLock(\.self).map(\.timeLimit) }

        func replies(_ reply: @escaping Reply) { self.reply.withLock { $0 = reply } }
        func fails(_ code: MemoryError.Code) {
            replies { [model] _ in throw MemoryError(code, "\(model) \(code.rawValue)") }
        }
        func works() {
            replies { [model] _ in LanguageAnswer(model, isWhole: true, tokens: TokenCount(input: 3, output: 1)) }
        }
        func pauses(for duration: Duration) { pause.withLock { $0 = duration } }

        func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
            asked.withLock { $0.append(request) }
            return try await reply.withLock(\.self)(request)
        }

        func refusal(of request: LanguageRequest) -> MemoryError? {
            pause.withLock(\.self) >= request.timeLimit ? MemoryError(.languageModelFailed, "\(model) pauses") : nil
        }

        func unavailability() async -> String? { nil }
    }

    /// A clock that only the test moves.
    private final class HeldClock: Sendable {
        private let now = Mutex(Duration.zero)

        func move(by duration: Duration) { now.withLock { $0 += duration } }

        var clock: ServiceClock {
            ServiceClock(
                sleep: { _ in try Task.checkCancellation() }, elapsed: { self.now.withLock(\.self) },
                unixSeconds: { 0 }, chance: { 0 })
        }
    }

    /// Two services behind one model.
    private struct World: Sendable {
        let first = Service("first")
        let second = Service("second")
        let model: FallbackLanguageModel
        private let held = HeldClock()

        init(tokensPerHour: Int? = nil, concurrency: Int = 4, reach: LanguageReach = .everything) {
            let limits = LanguageLimits(
                concurrency: concurrency, tokensPerHour: tokensPerHour, budgetName: "THE_BUDGET")
            let clock = held.clock
            func metered(_ service: Service) -> MeteredLanguageModel {
                MeteredLanguageModel(service, limits: limits, reach: reach, clock: clock)
            }
            model = FallbackLanguageModel(metered(first), else: metered(second), clock: clock)
        }

        func move(by duration: Duration) { held.move(by: duration) }

        func ask(_ namespace: String? = nil, textsOf texts: [String?]? = nil) async throws -> String {
            try await model.answer(
                LanguageRequest(
                    .extraction, prompt: "p", quoting: [], namespace: namespace, textsOf: texts,
                    timeLimit: .seconds(20))
            ).text
        }

        func failure(_ namespace: String? = nil, textsOf texts: [String?]? = nil) async -> MemoryError? {
            await #expect(throws: MemoryError.self) { _ = try await ask(namespace, textsOf: texts) }
        }

        /// Calls and failures, by model.
        var calls: [String: [Int]] {
            Dictionary(uniqueKeysWithValues: model.usage.map { ($0.model, [$0.calls, $0.failures]) })
        }
    }

    @Test(arguments: [
        MemoryError.Code.languageModelFailed, .languageModelRefused, .timedOut, .languageModelRefusedPrompt,
        .languageModelUnusable,
    ])
    func `the second model answers where the first has no answer`(_ code: MemoryError.Code) async throws {
        let world = World()
        #expect(try await world.ask() == "first")
        #expect(world.calls == ["first": [1, 0]])
        world.first.fails(code)
        #expect(try await world.ask() == "second")
        #expect(world.calls == ["first": [2, 1], "second": [1, 0]])
        #expect(world.model.usage.map(\.tokens.total) == [4, 4])
        #expect(world.model.model == "first")
    }

    @Test(arguments: [MemoryError.Code.internalError, .unsupported, .storeUnavailable])
    func `what is not about the model comes back unchanged`(_ code: MemoryError.Code) async throws {
        let world = World()
        world.first.fails(code)
        #expect(await world.failure()?.code == code)
        #expect(world.second.limits.isEmpty)
    }

    @Test func `the first model has half of the time, and the second what is left`() async throws {
        let world = World()
        for (taken, left) in [(0, 20), (3, 17), (10, 10)] {
            world.first.replies { _ in
                world.move(by: .seconds(taken))
                throw MemoryError(.timedOut, "too slow")
            }
            #expect(try await world.ask() == "second")
            #expect(world.first.limits.last == .seconds(10) && world.second.limits.last == .seconds(left))
        }
        // Nothing is left.
        world.first.replies { _ in
            world.move(by: .seconds(20))
            throw MemoryError(.timedOut, "far too slow")
        }
        #expect(await world.failure()?.message == "far too slow")
        #expect(world.second.limits.count == 3)
    }

    @Test func `a model that rests leaves all the time to the second one`() async throws {
        let world = World()
        world.first.fails(.languageModelFailed)
        for _ in 0..<MeteredLanguageModel.failuresUntilPause { _ = try await world.ask() }
        world.first.works()
        #expect(try await world.ask() == "second")
        #expect(world.first.limits.count == MeteredLanguageModel.failuresUntilPause)
        #expect(world.second.limits.last == .seconds(20))
        #expect(await world.model.unavailability() == nil)
        world.move(by: MeteredLanguageModel.pause)
        #expect(try await world.ask() == "first")
    }

    @Test func `a pause that the first model's share does not reach is left to it`() async throws {
        let world = World()
        world.first.pauses(for: .seconds(15))
        #expect(try await world.ask() == "second")
        #expect(world.first.limits.isEmpty && world.calls == ["second": [1, 0]])
        world.first.pauses(for: .seconds(9))
        #expect(try await world.ask() == "first")
    }

    @Test func `a budget that is used up does not lead to the second model`() async throws {
        let world = World(tokensPerHour: 4)
        _ = try await world.ask()
        let error = await world.failure()
        #expect(error?.code == .languageModelFailed)
        #expect(error?.message == "the 4 tokens of an hour are used up (THE_BUDGET)")
        #expect(world.second.limits.isEmpty)
        // It is said once.
        #expect(await world.model.unavailability() == error?.message)
        // Nor does the second get past it while the first rests.
        let resting = World(tokensPerHour: 4)
        resting.first.fails(.languageModelFailed)
        resting.second.fails(.languageModelUnusable)
        for _ in 0..<MeteredLanguageModel.failuresUntilPause { _ = await resting.failure() }
        resting.second.works()
        #expect(try await resting.ask() == "second")
        #expect(await resting.failure()?.message == error?.message)
        #expect(resting.first.limits.count == MeteredLanguageModel.failuresUntilPause)
    }

    @Test func `as many calls as are permitted do not lead to the second model`() async throws {
        let world = World(concurrency: 1)
        let (begun, signal) = AsyncStream.makeStream(of: Void.self)
        world.first.replies { _ in
            signal.finish()
            try await Task.sleep(for: .seconds(600))
            throw MemoryError(.internalError, "was not cancelled")
        }
        let running = Task { try await world.ask() }
        for await _ in begun {}
        #expect(await world.failure()?.message.contains("1 calls run already") == true)
        #expect(world.second.limits.isEmpty)
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
        #expect(world.second.limits.isEmpty)
        // The call of a model that has failed has ended.
        world.first.fails(.languageModelFailed)
        #expect(try await world.ask() == "second")
    }

    @Test func `a call that was given up is not made again`() async throws {
        let world = World()
        world.first.replies { _ in
            try? await Task.sleep(for: .seconds(600))
            throw MemoryError(.timedOut, "as some clients end")
        }
        let call = Task { try await world.ask() }
        call.cancel()
        await #expect(throws: CancellationError.self) { try await call.value }
        #expect(world.second.limits.isEmpty)
        world.first.fails(.languageModelFailed)
        world.second.replies { _ in throw CancellationError() }
        await #expect(throws: CancellationError.self) { try await world.ask() }
    }

    @Test(
        arguments: [
            (MemoryError.Code.languageModelFailed, .languageModelFailed, .languageModelFailed),
            (.timedOut, .timedOut, .timedOut), (.languageModelRefused, .languageModelRefused, .languageModelRefused),
            // What a later call may mend does not wait for another setting.
            (.languageModelRefused, .languageModelFailed, .languageModelFailed),
            (.timedOut, .languageModelRefused, .languageModelFailed),
            // What one of them says about the prompt counts.
            (.languageModelRefusedPrompt, .languageModelFailed, .languageModelRefusedPrompt),
            (.languageModelFailed, .languageModelUnusable, .languageModelUnusable),
            (.languageModelUnusable, .languageModelRefusedPrompt, .languageModelUnusable),
        ] as [(MemoryError.Code, MemoryError.Code, MemoryError.Code)])
    func `neither has an answer`(
        _ first: MemoryError.Code, _ second: MemoryError.Code, _ code: MemoryError.Code
    ) async throws {
        let world = World()
        world.first.fails(first)
        world.second.fails(second)
        let error = await world.failure()
        #expect(error?.code == code)
        if error?.concernsPrompt == false {
            #expect(error?.message == "first \(first.rawValue); second \(second.rawValue)")
        }
        #expect(world.calls == ["first": [1, 1], "second": [1, 1]])
    }

    @Test(arguments: [LanguageReach.only(["n"]), .everything(except: ["x"])])
    func `neither is sent what no model may be sent`(_ reach: LanguageReach) async throws {
        let world = World(reach: reach)
        let requests: [(namespace: String?, texts: [String?]?)] = [("x", nil), (nil, ["n", "x"]), ("x", ["n"])]
        for (namespace, texts) in requests {
            let error = await world.failure(namespace, textsOf: texts)
            #expect(error?.code == .languageModelRefused && error?.message.contains("namespace") == true)
        }
        if reach == .only(["n"]) { #expect(await world.failure()?.code == .languageModelRefused) }
        #expect(world.calls.isEmpty)
        // Also while the first one rests.
        world.first.fails(.languageModelFailed)
        for _ in 0..<MeteredLanguageModel.failuresUntilPause { #expect(try await world.ask("n") == "second") }
        #expect(await world.failure("x")?.code == .languageModelRefused)
        #expect(world.second.limits.count == MeteredLanguageModel.failuresUntilPause)
        #expect(world.model.reach == reach)
    }

    @Test func `all models of a server have one reach`() async throws {
        let client = HTTPClient()
        let configurations = ["a", "claude-b"].map { name in
            var configuration = LanguageModelConfiguration()
            configuration.model = name
            configuration.baseURL = "http://127.0.0.1:1/v1"
            configuration.anthropicKey = "key"
            configuration.reach = .everything(except: ["x"])
            return configuration
        }
        for model in try LanguageModelFactory.make(configurations, client: client) {
            #expect(model?.reach == .everything(except: ["x"]))
            let error = await #expect(throws: MemoryError.self) {
                _ = try await model?.answer(
                    LanguageRequest(.tags, prompt: "p", quoting: [], namespace: "x", timeLimit: .seconds(1)))
            }
            #expect(error?.code == .languageModelRefused && model?.usage.isEmpty == true)
        }
        await client.shutdown()
    }
}
