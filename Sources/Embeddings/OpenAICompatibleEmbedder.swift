public import AgentMemory
public import HTTPClient
public import Logging

/// Asks a service that speaks OpenAI's embeddings protocol: OpenAI, Azure, Ollama, vLLM, a LiteLLM proxy.
///
/// Texts go in batches, several at a time. Attempts that may go better later (429, 5xx, no connection, no answer in
/// time) are repeated with growing pauses, or after the pause that the service asks for, until the call's deadline.
public struct OpenAICompatibleEmbedder: Embedder {
    /// The pause before the second attempt; it doubles with each further one, up to ``longestPause``.
    static let firstPause = Duration.milliseconds(250)
    static let longestPause = Duration.seconds(8)

    public let model: String
    public let dimensions: Int
    private let configuration: EmbedderConfiguration
    private let known: KnownModel
    private let endpoint: ServiceEndpoint
    private let sendsDimensions: Bool
    private let client: HTTPClient
    private let logger: Logger
    private let time: EmbedderTime
    private let health: ServiceHealth

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    public init(
        _ configuration: EmbedderConfiguration, client: HTTPClient, logger: Logger = Logger(label: "embeddings")
    ) throws(MemoryError) {
        try self.init(configuration, client: client, logger: logger, time: .real)
    }

    init(
        _ configuration: EmbedderConfiguration, client: HTTPClient, logger: Logger, time: EmbedderTime
    ) throws(MemoryError) {
        known = KnownModel(configuration.model)
        guard !known.name.isEmpty else {
            throw MemoryError(.misconfigured, "EMBEDDING_MODEL names no embedding model")
        }
        let dimensions = try Self.dimensions(configuration)
        model = configuration.model
        self.dimensions = dimensions
        self.configuration = configuration
        endpoint = try ServiceEndpoint(configuration, model: known)
        sendsDimensions =
            configuration.sendsDimensions ?? known.defaultDimensions.map { $0 != dimensions } ?? false
        self.client = client
        self.logger = logger
        self.time = time
        health = ServiceHealth(time: time)
    }

    /// The length of the vectors, as the settings have it or as is known of the model.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    static func dimensions(_ configuration: EmbedderConfiguration) throws(MemoryError) -> Int {
        guard let dimensions = configuration.dimensions ?? KnownModel(configuration.model).defaultDimensions else {
            throw MemoryError(
                .misconfigured,
                "the length of the vectors of the embedding model \(configuration.model) is not known: set "
                    + "REDISVL_VECTOR_DIMENSIONS to it")
        }
        guard dimensions > 0 else { throw MemoryError(.misconfigured, "REDISVL_VECTOR_DIMENSIONS is not positive") }
        return dimensions
    }

    public func embed(_ texts: [String]) async throws -> [[Float]] {
        guard !texts.isEmpty else { return [] }
        let deadline = time.elapsed() + configuration.deadline
        let ranges = EmbeddingBatches.ranges(
            of: texts, maximumTexts: configuration.maximumTextsPerRequest,
            maximumBytes: configuration.maximumBytesPerRequest)
        if ranges.count == 1 { return try await vectors(of: texts[...], deadline: deadline) }
        return try await withThrowingTaskGroup(of: (Int, [[Float]]).self) { group in
            var parts = [[[Float]]](repeating: [], count: ranges.count)
            var started = 0
            func startNext() {
                let number = started
                started += 1
                group.addTask { (number, try await vectors(of: texts[ranges[number]], deadline: deadline)) }
            }
            while started < min(ranges.count, max(1, configuration.maximumConcurrentRequests)) { startNext() }
            while let (number, vectors) = try await group.next() {
                parts[number] = vectors
                if started < ranges.count { startNext() }
            }
            return Array(parts.joined())
        }
    }

    /// Known from recent calls, or else from a request with one short text, at most every five seconds.
    public func unavailability() async -> String? {
        await health.unavailability {
            do {
                _ = try await attempt(["ready?"], timeout: min(configuration.attemptTimeout, .seconds(5)))
                health.record(nil)
            } catch {
                let failure = error as? ServiceFailure
                health.record(failure?.error.message ?? "the embedding model \(model) could not be asked")
            }
        }
    }

    /// One batch, with its repetitions.
    private func vectors(of texts: ArraySlice<String>, deadline: Duration) async throws -> [[Float]] {
        var attempts = 0
        while true {
            attempts += 1
            do {
                let remaining = deadline - time.elapsed()
                let timeout = min(configuration.attemptTimeout, max(remaining, .milliseconds(1)))
                let vectors = try await attempt(texts, timeout: timeout)
                health.record(nil)
                return vectors
            } catch let failure as ServiceFailure {
                let pause = pause(after: attempts, failure)
                let isLast =
                    !failure.isWorthRetrying || attempts >= configuration.maximumAttempts
                    || time.elapsed() + pause >= deadline
                logger.log(
                    level: isLast ? .warning : .info, "an embedding request failed",
                    metadata: [
                        "reason": "\(failure.error.message)", "attempt": "\(attempts)", "texts": "\(texts.count)",
                        "again": "\(!isLast)",
                    ])
                if isLast {
                    if failure.concernsService { health.record(failure.error.message) }
                    throw failure.error
                }
                try await time.sleep(pause)
            }
        }
    }

    /// What the service asked for; otherwise between half and all of a time that doubles with each attempt, so that
    /// callers who failed together do not come back together.
    private func pause(after attempts: Int, _ failure: ServiceFailure) -> Duration {
        if let asked = failure.retryAfter { return asked }
        let whole = min(Self.longestPause, Self.firstPause * (1 << min(attempts - 1, 10)))
        return whole / 2 + whole / 2 * time.chance()
    }

    /// One request.
    ///
    /// - Throws: ``ServiceFailure``; `CancellationError`.
    private func attempt(_ texts: ArraySlice<String>, timeout: Duration) async throws -> [[Float]] {
        var headers: HTTPHeaders = ["Content-Type": "application/json", "Accept": "application/json"]
        if let field = endpoint.authentication { headers.append(field.name, field.value) }
        let response: HTTPClient.Response
        do {
            response = try await client.send(
                .init(method: .post, url: endpoint.url.text, headers: headers, body: body(texts), timeout: timeout))
        } catch {
            if error.code == .cancelled { throw CancellationError() }
            throw ServiceFailure(error, model: model)
        }
        guard response.status == 200 else {
            throw ServiceFailure(
                response, model: model, texts: texts, secret: configuration.apiKey, now: time.unixSeconds())
        }
        do {
            let vectors = try EmbeddingsResponse.vectors(in: response.body)
            try check(vectors, count: texts.count)
            return vectors
        } catch {
            throw ServiceFailure(unusable: error.reason, model: model)
        }
    }

    /// Rule R7.
    private func check(_ vectors: [[Float]], count: Int) throws(EmbeddingsResponse.Malformed) {
        guard vectors.count == count else {
            throw .init(reason: "\(vectors.count) vectors for \(count) texts")
        }
        for vector in vectors {
            guard vector.count == dimensions else {
                throw .init(reason: "a vector of \(vector.count) dimensions where \(dimensions) are configured")
            }
            guard vector.allSatisfy(\.isFinite) else { throw .init(reason: "a value that is not finite") }
            guard vector.contains(where: { $0 != 0 }) else { throw .init(reason: "a vector of zeros") }
        }
    }

    private func body(_ texts: ArraySlice<String>) -> [UInt8] {
        var writer = JSONWriter(capacity: texts.reduce(128) { $0 + $1.utf8.count + 8 })
        writer.object { writer in
            writer.name("model")
            writer.string(known.name)
            writer.name("input")
            writer.strings(Array(texts))
            if sendsDimensions {
                writer.name("dimensions")
                writer.int(dimensions)
            }
            // Elsewhere floats are the default, and some services refuse the parameter itself.
            if endpoint.speaksBase64 {
                writer.name("encoding_format")
                writer.string("base64")
            }
        }
        return writer.bytes
    }
}
