public import AgentMemory
public import HTTPClient
public import Logging
import ModelServices

/// Calls a service that speaks OpenAI's embeddings protocol: OpenAI, Azure, Ollama, vLLM, a LiteLLM
/// proxy.
///
/// Texts are sent in batches, several at a time; a ``RetryingClient`` sends and repeats each batch.
public struct OpenAICompatibleEmbedder: Embedder {
    public let model: String
    public let dimensions: Int
    private let configuration: EmbedderConfiguration
    private let name: ModelName
    private let sendsDimensions: Bool
    private let service: RetryingClient

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field.
    public init(
        _ configuration: EmbedderConfiguration, client: HTTPClient, logger: Logger = Logger(label: "embeddings")
    ) throws(MemoryError) {
        try self.init(configuration, client: client, logger: logger, clock: .real)
    }

    init(
        _ configuration: EmbedderConfiguration, client: HTTPClient, logger: Logger, clock: ServiceClock
    ) throws(MemoryError) {
        name = ModelName(configuration.model)
        guard !name.name.isEmpty else {
            throw MemoryError(.misconfigured, "\(configuration.names.model) names no embedding model")
        }
        let dimensions = try Self.dimensions(configuration)
        model = configuration.model
        self.dimensions = dimensions
        self.configuration = configuration
        sendsDimensions =
            configuration.sendsDimensions ?? name.defaultDimensions.map { $0 != dimensions } ?? false
        service = try RetryingClient(
            configuration.service, model: name, purpose: configuration.purpose, client: client, logger: logger,
            clock: clock)
    }

    /// The length of the vectors, from the settings or from what is known of the model.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field.
    static func dimensions(_ configuration: EmbedderConfiguration) throws(MemoryError) -> Int {
        let field = configuration.names.dimensions
        guard let dimensions = configuration.dimensions ?? ModelName(configuration.model).defaultDimensions else {
            throw MemoryError(
                .misconfigured,
                "the length of the vectors of the embedding model \(configuration.model) is not known: set "
                    + "\(field) to it")
        }
        guard dimensions > 0 else { throw MemoryError(.misconfigured, "\(field) is not positive") }
        return dimensions
    }

    public func embed(_ texts: [String]) async throws -> [[Float]] {
        guard !texts.isEmpty else { return [] }
        let deadline = service.deadline()
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

    /// Known from recent calls, or else from a request with one short text, at most every five
    /// seconds.
    public func unavailability() async -> String? {
        let texts: ArraySlice = ["ready?"]
        return await service.unavailability(probing: body(texts, format: nil), quoting: texts) {
            body throws(RetryingClient.UnusableResponse) in
            try vectors(in: body, count: texts.count)
        }
    }

    /// One batch, with its repetitions.
    private func vectors(of texts: ArraySlice<String>, deadline: Duration) async throws -> [[Float]] {
        try await service.sendFirstTaken(
            of: formats, quoting: texts, by: deadline, body: { body(texts, format: $0) },
            read: { body throws(RetryingClient.UnusableResponse) in try vectors(in: body, count: texts.count) })
    }

    private func vectors(in body: [UInt8], count: Int) throws(RetryingClient.UnusableResponse) -> [[Float]] {
        let vectors: [[Float]]
        do {
            vectors = try EmbeddingsResponse.vectors(in: body)
        } catch {
            throw .init(reason: error.reason)
        }
        try check(vectors, count: count)
        return vectors
    }

    /// Rule R7.
    private func check(_ vectors: [[Float]], count: Int) throws(RetryingClient.UnusableResponse) {
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

    /// The values of `encoding_format`, in the order of preference. Base64 is a quarter of the size
    /// of written floats; some services refuse the parameter itself, for which `nil` leaves it out.
    private var formats: [String?] { service.endpoint.isOpenAIOrAzure ? ["base64"] : ["base64", nil] }

    private func body(_ texts: ArraySlice<String>, format: String?) -> [UInt8] {
        var writer = JSONWriter(capacity: texts.reduce(128) { $0 + $1.utf8.count + 8 })
        writer.object { writer in
            writer.name("model")
            writer.string(name.name)
            writer.name("input")
            writer.strings(Array(texts))
            if sendsDimensions {
                writer.name("dimensions")
                writer.int(dimensions)
            }
            if let format {
                writer.name("encoding_format")
                writer.string(format)
            }
        }
        return writer.bytes
    }
}
