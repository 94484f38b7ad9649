import AgentMemory
import FakeEmbeddings
import HTTPClient
import Logging
import ModelServices
import Synchronization
import Testing

@testable import LanguageModels

@Suite struct LanguageModelTests {
    /// A model against a service of its own.
    private func withModel(
        _ name: String = "gpt-test", arguments: [String] = [],
        changing change: (inout LanguageModelConfiguration) -> Void = { _ in },
        clock: ServiceClock = .real,
        _ body: (MeteredLanguageModel, FakeEmbeddingsServer) async throws -> Void
    ) async throws {
        try await FakeEmbeddingsServer.run(arguments) { server in
            var configuration = LanguageModelConfiguration()
            configuration.model = name
            configuration.baseURL = server.baseURL
            configuration.anthropicBaseURL = server.origin
            configuration.anthropicKey = "secret-key"
            change(&configuration)
            let client = HTTPClient()
            let result: Result<Void, any Error>
            do {
                let model = try #require(
                    try LanguageModelFactory.make(
                        configuration, client: client,
                        logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), clock: clock))
                result = .success(try await body(model, server))
            } catch {
                result = .failure(error)
            }
            await client.shutdown()
            try result.get()
        }
    }

    private func request(_ prompt: String = "a prompt", namespace: String? = nil) -> LanguageRequest {
        LanguageRequest(
            .queryOptimization, prompt: prompt, quoting: [prompt], namespace: namespace, timeLimit: .seconds(20))
    }

    @Test(arguments: [
        ("gpt-test", "/v1/chat/completions", "gpt-test"), ("ollama/llama3", "/v1/chat/completions", "llama3"),
        ("claude-haiku", "/v1/messages", "claude-haiku"), ("anthropic/claude-haiku", "/v1/messages", "claude-haiku"),
    ])
    func `the name chooses the wire`(_ name: String, _ target: String, _ sent: String) async throws {
        try await withModel(name) { model, server in
            try await server.control(["mode": "answer", "text": "green tea"])
            let answer = try await model.answer(request())
            #expect(answer == LanguageAnswer("green tea", isWhole: true, tokens: TokenCount(input: 3, output: 3)))
            let stats = try await server.stats()
            #expect(stats.lastTarget == target)
            #expect(stats.lastBody("model") == sent)
            #expect(stats.lastBody("messages") == [["role": "user", "content": "a prompt"]])
            let isAnthropic = target.hasSuffix("messages")
            #expect(stats.lastHeaders["anthropic-version"] == (isAnthropic ? "2023-06-01" : nil))
            #expect(stats.lastHeaders["x-api-key"] == (isAnthropic ? "secret-key" : nil))
            #expect(stats.lastHeaders["authorization"] == nil)
            #expect(model.model == name)
        }
    }

    @Test(arguments: [("gpt-test", "length"), ("gpt-test", "content_filter"), ("claude-x", "max_tokens")])
    func `an answer that was cut off is not whole`(_ name: String, _ reason: String) async throws {
        try await withModel(name) { model, server in
            try await server.control(["mode": "answer", "text": "gre", "reason": reason])
            #expect(try await model.answer(request()).isWhole == false)
        }
    }

    @Test func `names that cannot be asked for are refused with a way out`() throws {
        let client = HTTPClient()
        var configuration = LanguageModelConfiguration()
        configuration.names.model = "FAST_MODEL"
        configuration.names.anthropicKey = "ANTHROPIC_API_KEY"
        #expect(try LanguageModelFactory.make(configuration, client: client) == nil)
        for (name, part) in [
            ("gemini/flash", "litellm_proxy"), ("bedrock/x", "litellm_proxy"),
            ("anthropic.claude-v1:0", "litellm_proxy"),
            ("claude-haiku", "ANTHROPIC_API_KEY"), ("gpt-5", "apiKey"),
        ] {
            configuration.model = name
            let error = #expect(throws: MemoryError.self) {
                try LanguageModelFactory.make(configuration, client: client)
            }
            #expect(
                error?.code == .misconfigured && error?.message.contains(part) == true,
                "\(name): \(error?.message ?? "")")
        }
        configuration.model = "BAAI/some-model"
        configuration.baseURL = "http://127.0.0.1:1/v1"
        #expect(try LanguageModelFactory.make(configuration, client: client)?.model == "BAAI/some-model")
    }

    @Test func `failures have a code and quote neither key nor prompt`() async throws {
        try await withModel("claude-x") { model, server in
            for (fault, code) in [
                (["mode": "echo_key"] as [String: any Sendable], MemoryError.Code.languageModelRefused),
                (["mode": "status", "status": 404], .languageModelRefused),
                (["mode": "echo_text"], .languageModelRefusedPrompt),
                (["mode": "not_json"], .languageModelUnusable),
            ] {
                try await server.control(fault)
                let error = await #expect(throws: MemoryError.self) {
                    _ = try await model.answer(request("the private words of a user"))
                }
                #expect(error?.code == code, "\(fault)")
                #expect(error?.message.contains("secret-key") == false && error?.message.contains("private") == false)
            }
            #expect(await model.unavailability()?.contains("claude-x") == true)
            try await server.control(["mode": "ok"])
            _ = try await model.answer(request())
            #expect(await model.unavailability() == nil)
        }
    }

    @Test(arguments: [302, 401, 403, 404])
    func `a refusal is not tried again`(_ status: Int) async throws {
        try await withModel { model, server in
            try await server.control(
                ["mode": "status", "status": status, "body": "<html>no</html>", "headers": ["Location": "/v1/other"]])
            let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(error?.code == .languageModelRefused)
            #expect(try await server.stats().requests == 1)
        }
    }

    @Test(arguments: [
        #"{"choices": []}"#, #"{"choices": [{}]}"#, #"{"choices": "none"}"#, "{}", "[]", "null", "<html></html>",
        #"{"choices": [{"message": {"content": "\ud800"}}]}"#,
    ])
    func `what is not an answer is a failure`(_ body: String) async throws {
        try await withModel { model, server in
            try await server.control(["mode": "status", "status": 200, "body": body])
            let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(error?.code == .languageModelUnusable)
        }
    }

    @Test func `an answer without a text is empty, and one in parts is put together`() async throws {
        try await withModel { model, server in
            for (message, text) in [
                (#"{"content": null, "refusal": "no"}"#, ""), ("{}", ""),
                (#"{"content": [{"type": "text", "text": "green "}, {"type": "text", "text": "tea"}]}"#, "green tea"),
            ] {
                let body = #"{"choices": [{"message": \#(message), "finish_reason": "content_filter"}], "usage": null}"#
                try await server.control(["mode": "status", "status": 200, "body": body])
                #expect(
                    try await model.answer(request()) == LanguageAnswer(text, isWhole: false, tokens: TokenCount()))
            }
        }
    }

    @Test func `an answer that never ends is given up`() async throws {
        try await withModel { model, server in
            try await server.control(["mode": "drip", "chunk": 1, "interval_ms": 100])
            let request = LanguageRequest(
                .extraction, prompt: "p", quoting: [], namespace: nil, timeLimit: .milliseconds(500))
            let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(request) }
            #expect(error?.code == .timedOut)
        }
    }

    @Test func `a failure that may pass is tried again`() async throws {
        try await withModel { model, server in
            try await server.control(["mode": "status", "status": 500, "times": 2])
            #expect(try await model.answer(request()).text == "ok")
            #expect(try await server.stats().requests == 3)
        }
    }

    @Test func `JSON is asked for as strictly as the service takes it`() async throws {
        let schema = AnswerSchema(name: "x", schema: ["type": "object"])
        let request = LanguageRequest(
            .extraction, prompt: "p", quoting: [], namespace: nil, timeLimit: .seconds(20), format: .json(schema))
        for (refused, calls, kind) in [
            ([], 1, "json_schema"), (["json_schema"], 2, "json_object"), (["json_schema", "json_object"], 3, nil),
        ] as [([String], Int, String?)] {
            try await withModel { model, server in
                try await server.control(["mode": "no_formats", "formats": refused, "text": "{}"])
                #expect(try await model.answer(request).text == "{}")
                var stats = try await server.stats()
                #expect(stats.requests == calls)
                #expect(stats.lastBody("response_format", as: [String: Any].self)?["type"] as? String == kind)
                // What was refused is not asked for again.
                #expect(try await model.answer(request).text == "{}")
                stats = try await server.stats()
                #expect(stats.requests == calls + 1)
            }
        }
        try await withModel("claude-x") { model, server in
            _ = try await model.answer(request)
            #expect(try await server.stats().lastBody("response_format", as: [String: Any].self) == nil)
        }
    }

    @Test func `models share their limits`() async throws {
        try await FakeEmbeddingsServer.run { server in
            var configuration = LanguageModelConfiguration()
            configuration.baseURL = server.baseURL
            configuration.tokensPerHour = 3
            let configurations = ["a", "b", "a", nil].map { name in
                var named = configuration
                named.model = name
                return named
            }
            let client = HTTPClient()
            let models = try LanguageModelFactory.make(configurations, client: client)
            #expect(models[0] === models[2] && models[3] == nil)
            _ = try await models[0]?.answer(self.request())
            let error = await #expect(throws: MemoryError.self) { _ = try await models[1]?.answer(self.request()) }
            #expect(error?.code == .languageModelFailed)
            await client.shutdown()
        }
    }

    @Test func `what operators see has the time and the state of a model, and no namespace`() async throws {
        let held = HeldClock(isMovedBySleep: true)
        try await withModel(changing: { $0.tokensPerHour = 100 }, clock: held.clock) { model, server in
            #expect(model.measures.tasks.isEmpty && !model.measures.isResting)
            for namespace in ["a", "b", nil] { _ = try await model.answer(request(namespace: namespace)) }
            try await refuse(server, for: "3")
            // The pause is part of the call.
            _ = try await model.answer(request())
            try await refuse(server, for: "60", times: 100)
            await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            let measures = model.measures
            let task = try #require(measures.tasks.first)
            #expect(measures.model == "gpt-test" && measures.tasks.count == 1 && task.task == .queryOptimization)
            #expect(task.calls == 5 && task.failures == 1 && task.tokens == TokenCount(input: 12, output: 4))
            #expect(task.durations.count == 5 && task.durations.seconds == 3)
            #expect(measures.callsInWork == 0 && measures.isResting)
            #expect(measures.tokensOfLastHour == 16 && measures.tokensPerHour == 100)
            held.move(by: .seconds(61))
            #expect(!model.measures.isResting)
            held.move(by: .seconds(3600))
            #expect(model.measures.tokensOfLastHour == 0 && model.measures.tasks.first?.tokens.total == 16)
        }
    }

    @Test func `a model that fails too often rests`() async throws {
        let held = HeldClock(isMovedBySleep: true)
        try await withModel(clock: held.clock) { model, server in
            try await server.control(["mode": "status", "status": 401])
            for _ in 0..<MeteredLanguageModel.failuresUntilPause {
                #expect(!model.measures.isResting)
                await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            }
            #expect(model.measures.isResting)
            // What is not sent is not a call.
            await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(model.measures.tasks.first?.calls == MeteredLanguageModel.failuresUntilPause)
            held.move(by: MeteredLanguageModel.pause)
            #expect(!model.measures.isResting)
        }
    }

    @Test func `the time limit of a request ends it`() async throws {
        try await withModel { model, server in
            try await server.control(["mode": "hang"])
            let hasty = LanguageRequest(
                .queryOptimization, prompt: "p", quoting: [], namespace: nil, timeLimit: .milliseconds(50))
            let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(hasty) }
            #expect(error?.code == .timedOut)
        }
    }

    /// A clock that only the test moves, and sleep if it says so.
    private final class HeldClock: Sendable {
        private let now = Mutex(Duration.zero)
        private let slept = Mutex<[Duration]>([])
        private let isMovedBySleep: Bool

        init(isMovedBySleep: Bool = false) {
            self.isMovedBySleep = isMovedBySleep
        }

        var sleeps: [Duration] { slept.withLock(\.self) }

        func move(by duration: Duration) { now.withLock { $0 += duration } }

        var clock: ServiceClock {
            ServiceClock(
                sleep: { duration in
                    try Task.checkCancellation()
                    self.slept.withLock { $0.append(duration) }
                    if self.isMovedBySleep { self.move(by: duration) }
                }, elapsed: { self.now.withLock(\.self) }, unixSeconds: { 784_111_777 }, chance: { 0 })
        }
    }

    // MARK: Pauses that the service asks for

    private func refuse(
        _ server: FakeEmbeddingsServer, for pause: String, status: Int = 429, times: Int = 1
    ) async throws {
        try await server.control(
            ["mode": "status", "status": status, "times": times, "headers": ["Retry-After": pause]])
    }

    @Test(arguments: [
        (429, "7", 7), (503, "7", 7), (429, "Sun, 06 Nov 1994 08:49:47 GMT", 10),
        (503, "Sun, 06 Nov 1994 08:49:47 GMT", 10),
    ])
    func `an attempt waits as long as the service asks`(
        _ status: Int, _ pause: String, _ seconds: Int
    ) async throws {
        let held = HeldClock(isMovedBySleep: true)
        try await withModel(clock: held.clock) { model, server in
            try await refuse(server, for: pause, status: status)
            #expect(try await model.answer(request()).text == "ok")
            #expect(held.sleeps == [.seconds(seconds)])
            #expect(try await server.stats().requests == 2)
            // It is over: the next call does not wait.
            #expect(try await model.answer(request()).text == "ok")
            #expect(held.sleeps.count == 1)
        }
    }

    @Test func `no call is sent before the end of a pause, and none that waits counts`() async throws {
        let held = HeldClock(isMovedBySleep: true)
        try await withModel(clock: held.clock) { model, server in
            try await refuse(server, for: "60", times: 100)
            // The request has 20 seconds.
            let first = await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(first?.code == .languageModelFailed && first?.message.contains("429") == true)
            try await server.control(["mode": "ok"])
            for _ in 0..<(2 * MeteredLanguageModel.failuresUntilPause) {
                held.move(by: .seconds(3))
                let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
                #expect(error?.code == .languageModelFailed && error?.message.contains("pause") == true)
            }
            #expect(await model.unavailability()?.contains("pause") == true)
            #expect(held.sleeps.isEmpty)
            #expect(try await server.stats().requests == 1)
            #expect(model.usage.map(\.calls) == [1] && model.usage.map(\.failures) == [1])
            // 30 seconds are left, which a longer request has.
            let patient = LanguageRequest(
                .extraction, prompt: "p", quoting: [], namespace: nil, timeLimit: .seconds(100))
            #expect(try await model.answer(patient).text == "ok")
            #expect(held.sleeps == [.seconds(30)])
            #expect(await model.unavailability() == nil)
            #expect(try await model.answer(request()).text == "ok")
        }
    }

    @Test func `a pause that is far too long ends after an hour`() async throws {
        let held = HeldClock(isMovedBySleep: true)
        try await withModel(clock: held.clock) { model, server in
            try await refuse(server, for: "900000")
            await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            held.move(by: .seconds(3500))
            await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(try await server.stats().requests == 1)
            held.move(by: .seconds(100))
            #expect(try await model.answer(request()).text == "ok")
        }
    }

    @Test func `a pause that grows while a call waits is waited for`() async throws {
        let held = HeldClock(isMovedBySleep: true)
        try await withModel(clock: held.clock) { model, server in
            try await refuse(server, for: "5", times: 2)
            #expect(try await model.answer(request()).text == "ok")
            #expect(held.sleeps == [.seconds(5), .seconds(5)])
            // A pause of nothing is none, and there are three attempts.
            try await refuse(server, for: "0", times: 3)
            await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(try await model.answer(request()).text == "ok")
        }
    }

    @Test func `a rest after failures and a pause of the service both hold`() async throws {
        let held = HeldClock(isMovedBySleep: true)
        try await withModel(clock: held.clock) { model, server in
            for _ in 0..<MeteredLanguageModel.failuresUntilPause {
                try await refuse(server, for: "40", status: 503)
                await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
                held.move(by: .seconds(40))
            }
            let sent = try await server.stats().requests
            #expect(sent == MeteredLanguageModel.failuresUntilPause)
            // The rest has 30 seconds from the last failure on, the pause 40, which are over.
            #expect(try await model.answer(request()).text == "ok")
            // Of 20 seconds there are two attempts.
            try await refuse(server, for: "10", status: 503, times: 2)
            await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(try await server.stats().requests == sent + 3)
        }
    }

    @Test func `tokens of an hour are a limit`() async throws {
        let held = HeldClock()
        try await withModel(
            changing: {
                $0.tokensPerHour = 8; $0.names.tokensPerHour = "THE_BUDGET"
            }, clock: held.clock
        ) {
            model, server in
            _ = try await model.answer(request(namespace: "n"))
            _ = try await model.answer(request(namespace: "n"))
            held.move(by: .seconds(59 * 60))
            let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(error?.code == .languageModelFailed && error?.message.contains("THE_BUDGET") == true)
            #expect(await model.unavailability()?.contains("used up") == true)
            #expect(try await server.stats().requests == 2)
            held.move(by: .seconds(60))
            _ = try await model.answer(request())
            #expect(
                model.usage == [
                    LanguageUsage(
                        model: "gpt-test", task: .queryOptimization, namespace: nil, calls: 1, failures: 0,
                        tokens: TokenCount(input: 3, output: 1)),
                    LanguageUsage(
                        model: "gpt-test", task: .queryOptimization, namespace: "n", calls: 2, failures: 0,
                        tokens: TokenCount(input: 6, output: 2)),
                ])
        }
    }

    @Test func `after failures in a row the model rests`() async throws {
        let held = HeldClock()
        try await withModel(clock: held.clock) { model, server in
            try await server.control(["mode": "status", "status": 401])
            for _ in 0..<MeteredLanguageModel.failuresUntilPause {
                await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            }
            try await server.control(["mode": "ok"])
            let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(error?.message.contains("in a row") == true)
            held.move(by: MeteredLanguageModel.pause)
            #expect(try await model.answer(request()).text == "ok")
            #expect(model.usage.first?.failures == MeteredLanguageModel.failuresUntilPause)
        }
    }

    @Test(
        arguments: [
            ["mode": "status", "status": 400], ["mode": "status", "status": 413], ["mode": "not_json"],
        ] as [[String: any Sendable]])
    func `prompts that have no answer do not make the model rest`(_ fault: [String: any Sendable]) async throws {
        try await withModel { model, server in
            try await server.control(fault)
            for _ in 0..<(2 * MeteredLanguageModel.failuresUntilPause) {
                let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
                #expect([.languageModelRefusedPrompt, .languageModelUnusable].contains(error?.code))
            }
            try await server.control(["mode": "ok"])
            #expect(try await model.answer(request()).text == "ok")
            #expect(model.usage.map(\.failures) == [2 * MeteredLanguageModel.failuresUntilPause])
        }
    }

    @Test func `no more calls at a time than permitted`() async throws {
        try await withModel(changing: { $0.concurrency = 1 }) { model, server in
            try await server.control(["mode": "hang"])
            let first = Task { try await model.answer(request()) }
            _ = try await server.stats(once: "requests=1")
            let error = await #expect(throws: MemoryError.self) { _ = try await model.answer(request()) }
            #expect(error?.code == .languageModelFailed)
            first.cancel()
            await #expect(throws: CancellationError.self) { try await first.value }
            try await server.control(["mode": "ok"])
            #expect(try await model.answer(request()).text == "ok")
            #expect(model.usage.first?.failures == 0)
        }
    }
}
