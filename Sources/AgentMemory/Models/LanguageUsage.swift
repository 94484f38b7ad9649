/// What one task has used of a language model for one namespace.
public struct LanguageUsage: Sendable, Equatable {
    public let model: String
    public let task: LanguageTask
    /// `nil` for no namespace.
    public let namespace: String?
    /// Calls that were sent, with those that failed.
    public let calls: Int
    public let failures: Int
    public let tokens: TokenCount

    public init(
        model: String, task: LanguageTask, namespace: String?, calls: Int, failures: Int, tokens: TokenCount
    ) {
        self.model = model
        self.task = task
        self.namespace = namespace
        self.calls = calls
        self.failures = failures
        self.tokens = tokens
    }
}
