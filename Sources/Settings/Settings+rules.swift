import AgentMemory

/// Rules about several settings, or about the source of a value.
extension Settings {
    static func checkTogether(_ values: SettingValues, _ reader: inout SettingsReader) {
        requireDatabase(values, &reader)
        refuseUnusedModelPath(values, &reader)
        refuseUnusedReranking(values, &reader)
        checkFallbacks(values, &reader)
        checkReachOfModels(values, &reader)
        checkAuthentication(values, &reader)
        requireBothOfTLS(values, &reader)
        checkDistribution(values, &reader)
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

    private static func checkFallbacks(_ values: SettingValues, _ reader: inout SettingsReader) {
        let language = values.language
        for (name, model, fallbackName, fallback) in [
            ("FAST_MODEL", language.fastModel, "FAST_FALLBACK_MODEL", language.fastFallbackModel),
            (
                "GENERATION_MODEL", language.generationModel, "GENERATION_FALLBACK_MODEL",
                language.generationFallbackModel
            ),
        ] where reader.isGiven(fallbackName) {
            guard let model else {
                reader.problem("\(fallbackName) is set, but \(name) is not; it is asked only in the place of that one")
                continue
            }
            if fallback.map(ExactString.init) == ExactString(model) {
                reader.problem(
                    "\(fallbackName) and \(name) are the same model; name another one, or remove \(fallbackName)")
            }
        }
    }

    /// A mistake in whose texts may be sent to others must not let them all be sent.
    private static func checkReachOfModels(_ values: SettingValues, _ reader: inout SettingsReader) {
        let names = ["LLM_NAMESPACES", "LLM_EXCLUDED_NAMESPACES"]
        for name in names where reader.variables[name]?.isEmpty == true {
            reader.problem(
                name, "the value is empty, so it is unclear whose texts may be sent; remove the setting")
        }
        guard names.allSatisfy(reader.isGiven) else { return }
        reader.problem(
            "LLM_NAMESPACES and LLM_EXCLUDED_NAMESPACES are both set; each says alone whose texts are sent: leave one of them out"
        )
    }

    /// What the nodes of a cluster cannot do is refused by name.
    private static func checkDistribution(_ values: SettingValues, _ reader: inout SettingsReader) {
        guard values.postgres.isDistributed else {
            if reader.isGiven("POSTGRES_DISTRIBUTED_LAYOUT") {
                reader.problem("POSTGRES_DISTRIBUTED_LAYOUT is set, but POSTGRES_DISTRIBUTED=citus is not")
            }
            return
        }
        func refuse(_ isGiven: Bool, _ text: String) {
            if isGiven { reader.problem("POSTGRES_DISTRIBUTED=citus: \(text)") }
        }
        refuse(
            values.stores.factory != "pgvector",
            "only MEMORY_VECTOR_DB_FACTORY=pgvector keeps memories in a cluster")
        refuse(
            values.memory.keepsHistory,
            "HISTORY=OFF is needed, because the nodes of a cluster do not number events in one order")
        refuse(
            values.postgres.rowSecurity,
            "POSTGRES_ROW_SECURITY=true is not possible, because Citus refuses the policies")
        refuse(
            values.postgres.readURL != nil,
            "DATABASE_READ_URL is not possible, because a position of the coordinator says nothing about the other nodes"
        )
        refuse(
            reader.isGiven("POSTGRES_UNINDEXED_MB") && values.postgres.unindexedMegabytes > 0,
            "POSTGRES_UNINDEXED_MB has no effect, because vectors are inserted into the index when they are written; remove the setting"
        )
        refuse(
            reader.isGiven("POSTGRES_CODES_MB") && values.postgres.codeMegabytes > 0,
            "POSTGRES_CODES_MB has no effect, because vectors have no codes; remove the setting")
    }

    private static func requireBothOfTLS(_ values: SettingValues, _ reader: inout SettingsReader) {
        guard (values.server.certificateFile == nil) != (values.server.keyFile == nil) else { return }
        reader.problem("TLS_CERT_FILE and TLS_KEY_FILE go together; set both, or neither")
    }

    /// A server that any setting asks to be closed must not run open: what contradicts is refused.
    private static func checkAuthentication(_ values: SettingValues, _ reader: inout SettingsReader) {
        for name in SettingNameCheck.ofAccess.sorted() where reader.variables[name]?.isEmpty == true {
            reader.problem(
                name,
                "the value is empty, so it is unclear whether the server may run without authentication; remove the setting"
            )
        }
        let mode = authentication(values)
        let isOAuth2 = mode == .oauth2 || mode == .both
        if reader.isGiven("AUTH_MODE"), values.access.mode == .disabled, values.access.usesTokens {
            reader.problem(
                "AUTH_MODE=disabled and TOKEN_AUTH_ENABLED=true contradict each other; leave one of them out")
        } else if reader.isGiven("DISABLE_AUTH"), values.access.isDisabled, mode != .disabled {
            let other = values.access.mode == .disabled ? "TOKEN_AUTH_ENABLED=true" : "AUTH_MODE"
            reader.problem("DISABLE_AUTH=true and \(other) contradict each other; leave one of them out")
        } else if !values.access.isDisabled, mode == .disabled {
            reader.problem(
                "DISABLE_AUTH=false: say with AUTH_MODE (token, oauth2 or both) how requests are authenticated")
        }
        if reader.isGiven("TOKEN_AUTH_ENABLED"), !values.access.usesTokens,
            [.token, .both].contains(values.access.mode)
        {
            reader.problem("TOKEN_AUTH_ENABLED=false and this AUTH_MODE contradict each other; leave one of them out")
        }
        if isOAuth2, values.access.issuer == nil {
            reader.problem("OAUTH2_ISSUER_URL is not set; AUTH_MODE=\(mode.rawValue) needs it")
        }
        if values.access.bindsUser, values.access.usersClaim != nil {
            reader.problem("AUTH_BIND_USER and OAUTH2_USERS_CLAIM both say which users a JWT may reach; leave one out")
        }
        if !isOAuth2 {
            for name in reader.names where name.hasPrefix("OAUTH2_") || name == "AUTH_BIND_USER" {
                guard reader.isGiven(name) else { continue }
                reader.problem("\(name) is set, but AUTH_MODE does not accept JWTs; leave one of them out")
            }
        }
        if mode == .disabled, values.access.rateLimit > 0 {
            reader.problem("RATE_LIMIT counts the requests of a token; without AUTH_MODE there is none")
        }
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
