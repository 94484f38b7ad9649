import AgentMemory
public import Metering
import ModelServices

/// What a reranker is made from: a model in the process, or a service. Reading it from an
/// environment is the executable's work.
public struct RerankerConfiguration: Sendable {
    /// A folder with a model of the BERT family for sequence classification. Default: none.
    public var modelPath: String?
    /// Threads that compute such a model. Default: 2.
    public var threads = 2
    /// Where a service is. Default: none.
    public var baseURL: String?
    /// Default: none.
    public var apiKey: String?
    /// The model that a service is asked for. Without one the request is that of Text Embeddings
    /// Inference, which has one model. Default: none.
    public var model: String?
    /// For one call. Default: 1 s.
    public var deadline: Duration = .seconds(1)

    /// Counts the calls of the model. Default: none.
    public var meter: CallMeter?

    /// How messages name the fields. Default: as they are called here.
    public var names = RerankerFieldNames()

    public init() {}
}

/// How messages name the fields of a ``RerankerConfiguration``: as the reader of a message can set
/// them.
public struct RerankerFieldNames: Sendable {
    public var modelPath = "modelPath"
    public var threads = "threads"
    public var baseURL = "baseURL"
    public var apiKey = "apiKey"
    public var model = "model"

    public init() {}
}

extension RerankerConfiguration {
    var service: ServiceConfiguration {
        var service = ServiceConfiguration()
        service.baseURL = baseURL
        service.apiKey = apiKey
        service.attemptTimeout = deadline
        service.deadline = deadline
        service.maximumAttempts = 2
        return service
    }

    var purpose: ServicePurpose {
        ServicePurpose(
            noun: "reranking", path: "/rerank", failed: .internalError, refused: .internalError,
            adviceOnContent: "the texts were refused, or \(names.model) is wrong, or the service wants one",
            names: ServiceFieldNames(model: names.model, apiKey: names.apiKey, baseURL: names.baseURL))
    }
}
