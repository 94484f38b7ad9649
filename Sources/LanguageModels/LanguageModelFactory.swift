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
        try make([configuration], client: client, logger: logger, clock: clock)[0]
    }

    /// Models that share the limits and the reach of the first one; equal names are one model.
    ///
    /// - Parameters:
    ///   - configurations: at least one.
    ///   - client: may be shared; ending it is the owner's work.
    ///   - logger: gets failed attempts.
    ///   - clock: for retries and limits.
    /// - Returns: one for each configuration; `nil` where no model is configured.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field.
    public static func make(
        _ configurations: [LanguageModelConfiguration], client: HTTPClient,
        logger: Logger = Logger(label: "language-models"), clock: ServiceClock = .real
    ) throws(MemoryError) -> [MeteredLanguageModel?] {
        let limits = LanguageLimits(
            concurrency: configurations[0].concurrency, tokensPerHour: configurations[0].tokensPerHour,
            budgetName: configurations[0].names.tokensPerHour)
        var made: [ExactString: MeteredLanguageModel] = [:]
        var models: [MeteredLanguageModel?] = []
        for configuration in configurations {
            guard let model = configuration.model else {
                models.append(nil)
                continue
            }
            if made[ExactString(model)] == nil {
                made[ExactString(model)] = MeteredLanguageModel(
                    try ServiceLanguageModel(
                        model: model, configuration, client: client, logger: logger, clock: clock),
                    limits: limits, reach: configurations[0].reach, clock: clock)
            }
            models.append(made[ExactString(model)])
        }
        return models
    }
}
