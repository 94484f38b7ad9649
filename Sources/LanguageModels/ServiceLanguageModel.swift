import AgentMemory
import HTTPClient
import Logging
import ModelServices

/// A chat model of a service, by either wire.
final class ServiceLanguageModel: AnsweringModel {
    /// Anthropic's wire requires a limit of an answer's tokens; far more than any task here needs.
    static let anthropicMaximumTokens = 8192

    let model: String
    private let wire: any LanguageWire
    private let service: RetryingClient

    /// - Parameter client: asks the service; ending it is the owner's work.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field.
    init(
        model: String, _ configuration: LanguageModelConfiguration, client: HTTPClient, logger: Logger,
        clock: ServiceClock
    ) throws(MemoryError) {
        self.model = model
        var service = ServiceConfiguration()
        service.attemptTimeout = configuration.attemptTimeout
        service.deadline = configuration.deadline
        service.maximumAttempts = 3
        service.sharesPauses = true
        let names = configuration.names
        let path: String
        let fields: ServiceFieldNames
        let called: ModelName
        switch try LanguageProvider(model: model, names: names) {
        case .chatCompletions:
            service.baseURL = configuration.baseURL
            service.apiKey = configuration.apiKey
            path = "/chat/completions"
            fields = ServiceFieldNames(model: names.model, apiKey: names.apiKey, baseURL: names.baseURL)
            called = ModelName(model)
            wire = ChatCompletionsWire(model: called.name)
        case .anthropic(let name):
            let base = configuration.anthropicBaseURL ?? AnthropicWire.service
            guard configuration.anthropicKey != nil || base != AnthropicWire.service else {
                throw MemoryError(
                    .misconfigured,
                    "\(names.anthropicKey) is not set, and \(names.model)=\(model) is a model of api.anthropic.com")
            }
            service.baseURL = base.hasSuffix("/v1") ? String(base.dropLast(3)) : base
            service.apiKey = configuration.anthropicKey
            service.apiKeyHeader = "x-api-key"
            service.headers = [("anthropic-version", AnthropicWire.version)]
            path = "/v1/messages"
            fields = ServiceFieldNames(
                model: names.model, apiKey: names.anthropicKey, baseURL: names.anthropicBaseURL)
            called = ModelName(model)
            wire = AnthropicWire(model: name, maximumTokens: Self.anthropicMaximumTokens)
        }
        let purpose = ServicePurpose(
            noun: "language", path: path, failed: .languageModelFailed, refused: .languageModelRefused,
            refusedContent: .languageModelRefusedPrompt, unusable: .languageModelUnusable,
            adviceOnContent: "the prompt was refused, or \(names.model) is wrong", names: fields)
        self.service = try RetryingClient(
            service, model: called, purpose: purpose, client: client, logger: logger, clock: clock)
    }

    func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        try await service.sendFirstTaken(
            of: wire.spellings(of: request.format), quoting: request.quotes[...],
            by: service.deadline(within: request.timeLimit), body: { wire.body(request.prompt, format: $0) },
            read: { [wire] body throws(RetryingClient.UnusableResponse) in try wire.answer(in: body) })
    }

    func refusal(of request: LanguageRequest) -> MemoryError? {
        service.refusal(by: service.deadline(within: request.timeLimit))
    }

    var isPaused: Bool { service.refusal() != nil }

    func unavailability() async -> String? { service.refusal()?.message ?? service.lastFailure }
}

/// What ``MeteredLanguageModel`` bounds: the members of ``LanguageModel`` without the usage.
protocol AnsweringModel: Sendable {
    var model: String { get }
    func answer(_ request: LanguageRequest) async throws -> LanguageAnswer
    /// The error of a request that cannot be sent within its time, because the service has asked
    /// for a pause.
    func refusal(of request: LanguageRequest) -> MemoryError?
    /// Whether the service has asked for a pause that has not ended.
    var isPaused: Bool { get }
    func unavailability() async -> String?
}

extension AnsweringModel {
    var isPaused: Bool { false }
}

/// How a service is asked, and how it answers.
protocol LanguageWire: Sendable {
    /// The name that the service knows.
    var model: String { get }
    /// The limit of an answer's tokens; `nil` leaves it to the service.
    var maximumTokens: Int? { get }
    /// The values of `response_format` that ask for a format, the strictest first; `nil` is a
    /// request without one.
    func spellings(of format: AnswerFormat) -> [JSONObject?]
    func answer(in body: [UInt8]) throws(RetryingClient.UnusableResponse) -> LanguageAnswer
}

extension LanguageWire {
    /// The JSON of a request with one message of the role `user`.
    func body(_ prompt: String, format: JSONObject?) -> [UInt8] {
        var writer = JSONWriter(capacity: prompt.utf8.count + 160)
        writer.object { writer in
            writer.member("model", model)
            if let maximumTokens { writer.member("max_tokens", maximumTokens) }
            if let format {
                writer.name("response_format")
                writer.value(.object(format))
            }
            writer.name("messages")
            writer.array { writer in
                writer.object { writer in
                    writer.member("role", "user")
                    writer.member("content", prompt)
                }
            }
        }
        return writer.bytes
    }

    func json(_ body: [UInt8]) throws(RetryingClient.UnusableResponse) -> JSONValue {
        guard let json = try? JSONValue(parsing: body) else { throw .init(reason: "something that is not JSON") }
        return json
    }

    /// A count of the service; one that is missing or no count is 0.
    func count(_ json: JSONValue?, _ name: String) -> Int { max(0, json?[name]?.intValue ?? 0) }
}
