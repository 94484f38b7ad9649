public import AgentMemory
public import HTTPClient
public import Logging
public import ModelServices

/// Makes the language model that a configuration asks for.
public enum LanguageModelFactory {
    /// The model, with its limits and the count of its usage. No service is asked yet.
    ///
    /// - Parameters:
    ///   - client: may be shared; ending it is the owner's work.
    ///   - logger: gets failed attempts.
    ///   - clock: for retries and limits.
    /// - Returns: `nil` if no model is configured.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field.
    public static func make(
        _ configuration: LanguageModelConfiguration, client: HTTPClient,
        logger: Logger = Logger(label: "language-models"), clock: ServiceClock = .real
    ) throws(MemoryError) -> MeteredLanguageModel? {
        guard let model = configuration.model else { return nil }
        return MeteredLanguageModel(
            try ServiceLanguageModel(model: model, configuration, client: client, logger: logger, clock: clock),
            concurrency: configuration.concurrency, tokensPerHour: configuration.tokensPerHour,
            budgetName: configuration.names.tokensPerHour, clock: clock)
    }
}
