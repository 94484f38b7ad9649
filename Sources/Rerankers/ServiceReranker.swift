public import AgentMemory
public import HTTPClient
public import Logging
public import ModelServices

/// A reranking model of a service: the `/rerank` of Cohere, Jina, vLLM and Text Embeddings
/// Inference.
///
/// With a model's name the texts are sent as `documents`; without one as `texts`, which is how Text
/// Embeddings Inference takes them. Both kinds of answers are read: a list of `index` and `score`,
/// and an object with `results` of `index` and `relevance_score`.
public struct ServiceReranker: Reranker {
    /// Text Embeddings Inference takes no more in one request, unless it is configured to.
    static let textsPerRequest = 32
    /// Of a text and of a query, in bytes of UTF-8: far more than such models read.
    static let bytesPerText = 16 << 10

    public let model: String
    private let name: String?
    private let service: RetryingClient

    /// - Parameter client: asks the service; ending it is the owner's work.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field.
    public init(
        _ configuration: RerankerConfiguration, client: HTTPClient, logger: Logger, clock: ServiceClock = .real
    ) throws(MemoryError) {
        name = configuration.model
        model = configuration.model ?? "of the service"
        service = try RetryingClient(
            configuration.service, model: ModelName(model), purpose: configuration.purpose, client: client,
            logger: logger, clock: clock)
    }

    public func scores(of texts: [String], for query: String) async throws -> [Double] {
        let deadline = service.deadline()
        let query = Self.cut(query)
        let parts = stride(from: 0, to: texts.count, by: Self.textsPerRequest).map {
            texts[$0..<min($0 + Self.textsPerRequest, texts.count)].map(Self.cut)
        }
        return try await withThrowingTaskGroup(of: (Int, [Double]).self) { group in
            for (number, part) in parts.enumerated() {
                group.addTask { (number, try await answer(part, query, by: deadline)) }
            }
            var scores = [[Double]](repeating: [], count: parts.count)
            for try await (number, part) in group { scores[number] = part }
            return Array(scores.joined())
        }
    }

    /// Known from recent calls, or else from a request with one short text, at most every five
    /// seconds.
    public func unavailability() async -> String? {
        let texts = ["ready?"]
        return await service.unavailability(probing: body(texts, "ready?"), quoting: texts[...]) {
            body throws(RetryingClient.UnusableResponse) in
            try RerankResponse.scores(in: body, count: texts.count)
        }
    }

    /// One request, with its repetitions.
    private func answer(_ texts: [String], _ query: String, by deadline: Duration) async throws -> [Double] {
        try await service.send(body(texts, query), quoting: (texts + [query])[...], by: deadline) {
            body throws(RetryingClient.UnusableResponse) in
            try RerankResponse.scores(in: body, count: texts.count)
        }
    }

    private func body(_ texts: [String], _ query: String) -> [UInt8] {
        var writer = JSONWriter(capacity: texts.reduce(128) { $0 + $1.utf8.count + 8 })
        writer.object { writer in
            writer.member("query", query)
            if let name {
                writer.member("model", name)
                writer.name("documents")
                writer.strings(texts)
                writer.member("top_n", texts.count)
            } else {
                writer.name("texts")
                writer.strings(texts)
                writer.name("truncate")
                writer.bool(true)
            }
        }
        return writer.bytes
    }

    /// The beginning of a text that is long, cut between two scalars.
    static func cut(_ text: String) -> String {
        guard text.utf8.count > bytesPerText else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: bytesPerText)
        while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        return String(text.unicodeScalars[..<end])
    }
}
