public import AgentMemory

/// What a service is asked for: the words of messages, the path, the codes of errors.
public struct ServicePurpose: Sendable {
    /// Completes "the … model" and "the … service", such as "embedding".
    public let noun: String
    /// What is added to the base URL, such as `/embeddings`.
    public let path: String
    /// The code of a failure after which a later call may go better.
    public let failed: MemoryError.Code
    /// The code of a refusal for good.
    public let refused: MemoryError.Code
    /// What to look at after a refusal of the request's content (400, 413, 415, 422).
    public let adviceOnContent: String
    /// What needs neither a key nor another service, such as a model that is computed here.
    public let alternative: String?
    /// How messages name the fields.
    public let names: ServiceFieldNames

    public init(
        noun: String, path: String, failed: MemoryError.Code, refused: MemoryError.Code, adviceOnContent: String,
        alternative: String? = nil, names: ServiceFieldNames
    ) {
        self.noun = noun
        self.path = path
        self.failed = failed
        self.refused = refused
        self.adviceOnContent = adviceOnContent
        self.alternative = alternative
        self.names = names
    }
}
