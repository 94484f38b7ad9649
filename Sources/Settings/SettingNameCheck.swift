/// Finds names that are probably meant as settings of this server, but are not read as such.
enum SettingNameCheck {
    /// Why a name that no setting has is reported.
    enum Suspicion: Equatable {
        /// Close enough to a setting's name to be a misspelling of it.
        case misspelt(nearest: String)
        /// Has a prefix of this server's settings.
        case unknown(nearest: String)
        /// A setting of redis/agent-memory-server that this version does not read.
        case unsupported
    }

    /// Prefixes that only settings of this server have.
    private static let prefixes = [
        "AUTH_", "EMBEDDING_", "LOCAL_EMBEDDING_", "LOCAL_MODEL_", "MEMORY_VECTOR_DB_", "OAUTH2_", "REDISVL_",
        "STATE_STORE_",
        "WORKING_MEMORY_",
    ]

    /// Settings with these prefixes control access: a mistake in such a name must not leave the
    /// server open.
    static let ofAccess: Set<String> = ["AUTH_MODE", "DISABLE_AUTH", "TOKEN_AUTH_ENABLED"]

    /// What narrows who comes in, what it reaches, or what is sent to others: with a mistake in the
    /// name it would not.
    static let ofLimits: Set<String> = [
        "AUTH_BIND_USER", "LLM_EXCLUDED_NAMESPACES", "LLM_NAMESPACES", "OAUTH2_ALGORITHMS", "OAUTH2_AUDIENCE",
        "OAUTH2_NAMESPACES_CLAIM", "OAUTH2_USERS_CLAIM", "RATE_LIMIT",
    ]

    /// - Parameter known: the names that are read.
    /// - Returns: `nil` for a name that is read, or that belongs to another program.
    static func suspicion(_ name: String, known: [String]) -> Suspicion? {
        if known.contains(name) || ofScripts.contains(name) || ofOpenSSL.contains(name) { return nil }
        if ofReference.contains(name) { return .unsupported }
        if let meant = ofOthers[name] { return .unknown(nearest: meant) }
        let folded = name.uppercased()
        let distances = known.map { (name: $0, distance: distance(folded, $0)) }
        guard let nearest = distances.min(by: { $0.distance < $1.distance }) else { return nil }
        if nearest.distance <= tolerance(nearest.name) { return .misspelt(nearest: nearest.name) }
        return prefixes.contains(where: folded.hasPrefix) ? .unknown(nearest: nearest.name) : nil
    }

    /// How many typing errors turn one name into another. Short names are close to too many others.
    private static func tolerance(_ name: String) -> Int { ofAccess.contains(name) || name.utf8.count >= 12 ? 2 : 1 }

    /// Insertions, deletions, substitutions and swaps of neighbours between two names ("optimal
    /// string alignment").
    static func distance(_ first: String, _ second: String) -> Int {
        let a = Array(first.utf8)
        let b = Array(second.utf8)
        // Names that differ this much in length are not close enough.
        guard abs(a.count - b.count) <= 16, a.count <= 256 else { return Int(Int32.max) }
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, beforeLast[j - 1] + 1) }
                row.append(best)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }

    /// Names that other programs use for a setting that has another name here and controls access.
    private static let ofOthers = ["OPENAI_BASE_URL": "OPENAI_API_BASE"]

    /// Common in every environment, and close to `TLS_CERT_FILE`.
    private static let ofOpenSSL: Set<String> = ["SSL_CERT_FILE", "SSL_CERT_DIR"]

    /// The names that `Scripts/run` reads.
    static let ofScripts: Set<String> = ["BACKEND"]

    /// The settings of redis/agent-memory-server 0.15.2 that have no meaning here.
    private static let ofReference: Set<String> = [
        "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET",
        "DEFAULT_MCP_NAMESPACE",
        "DEFAULT_MCP_USER_ID", "DOCKET_NAME",
        "FORGETTING_BUDGET_KEEP_TOP_N", "FORGETTING_ENABLED", "FORGETTING_EVERY_MINUTES", "FORGETTING_MAX_AGE_DAYS",
        "FORGETTING_MAX_INACTIVE_DAYS", "MCP_HOST", "MCP_PORT",
        "NER_MODEL", "NER_MODEL_SOURCE", "OAUTH2_RESOURCE_HOST",
        "SLOW_MODEL", "TOPIC_MODEL",
        "TOPIC_MODEL_SOURCE", "USE_DOCKET", "WORKING_MEMORY_MIGRATION_COMPLETE",
    ]
}
