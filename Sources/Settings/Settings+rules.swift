/// Rules about several settings, or about the source of a value.
extension Settings {
    static func checkTogether(_ values: SettingValues, _ reader: inout SettingsReader) {
        requireDatabase(values, &reader)
        refuseUnusedModelPath(values, &reader)
        refuseUnusedReranking(values, &reader)
        refuseAuthentication(values, &reader)
        warnOfBoundedTimes(&reader)
    }

    private static func requireDatabase(_ values: SettingValues, _ reader: inout SettingsReader) {
        guard values.stores.factory == "pgvector", values.postgres.url == nil else { return }
        reader.problem(
            "DATABASE_URL is not set; MEMORY_VECTOR_DB_FACTORY=pgvector needs it, such as postgresql://user@localhost/agent_memory"
        )
    }

    private static func refuseUnusedModelPath(_ values: SettingValues, _ reader: inout SettingsReader) {
        let model = values.embeddings.model
        let isPathUsed = model.hasPrefix("local/") && !model.hasPrefix("local/hashing-")
        guard values.embeddings.localModelPath != nil, !isPathUsed else { return }
        reader.problem(
            "LOCAL_MODEL_PATH is set, but EMBEDDING_MODEL=\(model) is not a model in a folder; remove one of the two settings"
        )
    }

    private static func refuseUnusedReranking(_ values: SettingValues, _ reader: inout SettingsReader) {
        let reranking = values.reranking
        if reranking.modelPath != nil, reranking.baseURL != nil {
            reader.problem(
                "RERANK_MODEL_PATH and RERANK_API_BASE are both set; a search is reranked by one model: leave one of them out"
            )
        }
        guard reranking.baseURL == nil else { return }
        for (name, isGiven) in [
            ("RERANK_API_KEY", reranking.apiKey != nil), ("RERANK_MODEL", reranking.model != nil),
        ] where isGiven {
            reader.problem("\(name) is set, but RERANK_API_BASE is not; it names the service to ask")
        }
    }

    private static func refuseAuthentication(_ values: SettingValues, _ reader: inout SettingsReader) {
        for name in SettingNameCheck.ofAccess.sorted() where reader.variables[name]?.isEmpty == true {
            reader.problem(
                name,
                "the value is empty, so it is unclear whether the server may run without authentication; remove the setting"
            )
        }
        if !values.access.isDisabled { reader.problem("DISABLE_AUTH=false: \(AccessSettings.consequence)") }
        if values.access.usesTokens { reader.problem("TOKEN_AUTH_ENABLED=true: \(AccessSettings.consequence)") }
    }

    /// Values that are valid alone, but one makes the other ineffective.
    private static func warnOfBoundedTimes(_ reader: inout SettingsReader) {
        for (name, limit) in [
            ("JOB_BACKOFF_SECONDS", "JOB_BACKOFF_LIMIT_SECONDS"),
            ("EMBEDDING_TIMEOUT_SECONDS", "EMBEDDING_DEADLINE_SECONDS"),
        ] {
            guard let value = reader.variables[name].flatMap(Double.init),
                let bound = reader.variables[limit].flatMap(Double.init), value > bound
            else { continue }
            reader.warn("\(name) is longer than \(limit), which bounds it")
        }
    }
}
