public import AgentMemory

/// The purpose of a service: the words of messages, the path, the codes of errors.
public struct ServicePurpose: Sendable {
    /// Completes "the … model" and "the … service", such as "embedding".
    public let noun: String
    /// The path after the base URL, such as `/embeddings`.
    public let path: String
    /// The code of a failure after which a later call may succeed.
    public let failed: MemoryError.Code
    /// The code of a permanent refusal.
    public let refused: MemoryError.Code
    /// The code of a refusal of the request's content (400, 413, 422).
    public let refusedContent: MemoryError.Code
    /// The code of a response with status 200 that is not as expected.
    public let unusable: MemoryError.Code
    /// What to check after a refusal of the request's content (400, 413, 415, 422).
    public let adviceOnContent: String
    /// An alternative that needs neither a key nor another service, such as a model that is
    /// computed here.
    public let alternative: String?
    /// How messages name the fields.
    public let names: ServiceFieldNames

    /// - Parameters:
    ///   - refusedContent: `nil` for `refused`.
    ///   - unusable: `nil` for `failed`.
    public init(
        noun: String, path: String, failed: MemoryError.Code, refused: MemoryError.Code,
        refusedContent: MemoryError.Code? = nil, unusable: MemoryError.Code? = nil, adviceOnContent: String,
        alternative: String? = nil, names: ServiceFieldNames
    ) {
        self.noun = noun
        self.path = path
        self.failed = failed
        self.refused = refused
        self.refusedContent = refusedContent ?? refused
        self.unusable = unusable ?? failed
        self.adviceOnContent = adviceOnContent
        self.alternative = alternative
        self.names = names
    }
}
