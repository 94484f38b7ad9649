import AgentMemory
import Logging
import MemoryHTTP

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Every setting of the server, under the reference server's environment names where it has them.
struct Settings {
    enum Algorithm: String {
        case hnsw = "HNSW"
        case flat = "FLAT"
    }

    /// When a local model's weights are read.
    enum ModelLoad: String {
        case start
        case lazy
    }

    let factory: String
    /// Folders in which libraries of backends are looked for.
    let pluginFolders: [String]
    let python: String
    let backendThreads: Int
    /// Where a loaded backend's server keeps sessions and jobs; `nil` keeps them in memory.
    let stateStoreURL: String?
    let host: String
    let port: Int
    let logLevel: Logger.Level
    let bodyLimit: Int
    let headLimit: Int
    let maximumConnections: Int
    let headTimeoutSeconds: Double
    let bodyTimeoutSeconds: Double
    let idleTimeoutSeconds: Double
    let writeTimeoutSeconds: Double
    /// Bytes of large bodies and answers in work at the same time.
    let workBytes: Int
    let workWaitSeconds: Double
    let workThreads: Int
    let longTermMemory: Bool
    let storeTimeoutSeconds: Double

    let indexesAllMessages: Bool
    let requiresMessageTimestamps: Bool
    let maximumFutureSeconds: Int
    let summarizationThreshold: Double

    let jobConcurrency: Int
    let jobPollSeconds: Double
    let jobLeaseSeconds: Double
    let jobAttempts: Int
    let jobBackoffSeconds: Double
    let jobBackoffLimitSeconds: Double

    let redisURL: String
    let redisConnections: Int
    let redisIndexName: String
    let redisKeyPrefix: String
    let sessionIndexName: String
    let sessionKeyPrefix: String
    let redisJobsPrefix: String
    let metric: DistanceMetric
    let algorithm: Algorithm
    /// `nil` leaves the length to the embedding model.
    let dimensions: Int?

    let databaseURL: String?
    let postgresSchema: String
    let postgresPoolSize: Int
    let postgresIdleSeconds: Double
    let autoMigrate: Bool

    let embeddingModel: String
    let openAIKey: String?
    /// `nil` is the service's own: OpenAI's, or a local Ollama for `ollama/…`.
    let openAIBase: String?
    let embeddingKeyHeader: String?
    let embeddingAPIVersion: String?
    /// For one attempt.
    let embeddingTimeoutSeconds: Double
    /// For all attempts and batches of one call.
    let embeddingDeadlineSeconds: Double
    let embeddingBatchSize: Int
    let embeddingCacheEntries: Int
    let embeddingCacheBytes: Int
    /// The folder of the model `local/…`; `nil` for one of that name in the cache.
    let localModelPath: String?
    let localModelCache: String?
    let localEmbeddingThreads: Int
    let localModelLoad: ModelLoad

    /// Name and value of every setting, secrets masked.
    let inForce: [(name: String, value: String)]
    /// What the start should say of names and values that may be meant otherwise.
    let warnings: [String]

    /// Reads the environment and, below it, the `.env` file of the working directory.
    ///
    /// - Parameter options: values of the command line, which come before both.
    /// - Throws: ``SettingsError`` with every problem found.
    static func load(overriding options: [(name: String, value: String?)] = []) throws(SettingsError) -> Settings {
        try Settings(SettingSources(overriding: options))
    }

    init(_ sources: SettingSources) throws(SettingsError) {
        var reader = SettingsReader(sources.variables, unreadable: sources.unreadable)
        self.init(sources, &reader)
        if !reader.problems.isEmpty { throw SettingsError(problems: reader.problems) }
    }

    /// - Parameter reader: what is wrong is left in it; then these settings are not to be used.
    init(_ sources: SettingSources, _ reader: inout SettingsReader) {
        let variables = sources.variables
        factory = reader.string("MEMORY_VECTOR_DB_FACTORY", default: "redis")
        pluginFolders = reader.folders("MEMORY_VECTOR_DB_PLUGIN_PATH", exist: SettingSources.isFolder)
        python = reader.string("MEMORY_VECTOR_DB_PYTHON", default: "python3")
        backendThreads = reader.int("MEMORY_VECTOR_DB_THREADS", in: 1...256, default: 8)
        stateStoreURL = reader.url("STATE_STORE_URL", default: nil)
        host = reader.string("HOST", default: "127.0.0.1")
        if host.contains(where: \.isWhitespace) { reader.problem("HOST", "the value holds a blank") }
        port = reader.int("PORT", in: 0...65_535, default: 8000)
        logLevel = reader.choice(
            "LOG_LEVEL",
            [
                "DEBUG": .debug, "INFO": .info, "WARNING": .warning, "ERROR": .error, "CRITICAL": .critical,
                "TRACE": .trace,
            ],
            default: .info)
        bodyLimit = reader.int("MAX_BODY_BYTES", in: 1024...(1 << 30), default: 32 << 20)
        headLimit = reader.int("HTTP_MAX_HEAD_BYTES", in: 1024...(1 << 20), default: 80 << 10)
        maximumConnections = reader.int("HTTP_MAX_CONNECTIONS", in: 1...1_000_000, default: AcceptGuard.standardLimit)
        headTimeoutSeconds = reader.seconds("HTTP_HEAD_TIMEOUT_SECONDS", in: 0.1...3600, default: 10)
        bodyTimeoutSeconds = reader.seconds("HTTP_BODY_TIMEOUT_SECONDS", in: 0.1...3600, default: 30)
        idleTimeoutSeconds = reader.seconds("HTTP_IDLE_TIMEOUT_SECONDS", in: 0.1...86_400, default: 75)
        writeTimeoutSeconds = reader.seconds("HTTP_WRITE_TIMEOUT_SECONDS", in: 0.1...3600, default: 30)
        workBytes = reader.int("HTTP_WORK_BYTES", in: (1 << 20)...(1 << 40), default: 64 << 20)
        workWaitSeconds = reader.seconds("HTTP_WORK_WAIT_SECONDS", in: 0...600, default: 5)
        workThreads = reader.int(
            "HTTP_WORK_THREADS", in: 1...64, default: min(ProcessInfo.processInfo.activeProcessorCount, 4))
        longTermMemory = reader.bool("LONG_TERM_MEMORY", default: true)
        storeTimeoutSeconds = reader.seconds("STORE_TIMEOUT_SECONDS", in: 0.1...600, default: 10)

        indexesAllMessages = reader.bool("INDEX_ALL_MESSAGES_IN_LONG_TERM_MEMORY", default: false)
        requiresMessageTimestamps = reader.bool("REQUIRE_MESSAGE_TIMESTAMPS", default: false)
        maximumFutureSeconds = reader.int("MAX_FUTURE_TIMESTAMP_SECONDS", in: 0...Int(Int32.max), default: 300)
        summarizationThreshold = reader.number("SUMMARIZATION_THRESHOLD", in: 0.01...1, default: 0.7)

        jobConcurrency = reader.int("JOB_CONCURRENCY", in: 1...256, default: 4)
        jobPollSeconds = reader.seconds("JOB_POLL_SECONDS", in: 0.05...60, default: 1)
        jobLeaseSeconds = reader.seconds("JOB_LEASE_SECONDS", in: 1...3600, default: 15)
        jobAttempts = reader.int("JOB_ATTEMPTS", in: 1...1000, default: 10)
        jobBackoffSeconds = reader.seconds("JOB_BACKOFF_SECONDS", in: 0.01...3600, default: 1)
        jobBackoffLimitSeconds = reader.seconds("JOB_BACKOFF_LIMIT_SECONDS", in: 0.01...86_400, default: 300)

        redisURL = reader.url("REDIS_URL", default: "redis://localhost:6379") ?? ""
        redisConnections = reader.int("REDIS_CONNECTIONS", in: 1...64, default: 2)
        redisIndexName = reader.string("REDISVL_INDEX_NAME", default: "memory_records")
        redisKeyPrefix = reader.string("REDISVL_INDEX_PREFIX", default: "memory_idx")
        sessionIndexName = reader.string("WORKING_MEMORY_INDEX_NAME", default: "working_memory_idx")
        sessionKeyPrefix = reader.string("WORKING_MEMORY_INDEX_PREFIX", default: "working_memory:")
        redisJobsPrefix = reader.string("REDIS_JOBS_PREFIX", default: "agent_memory:jobs")
        metric = reader.choice(
            "REDISVL_DISTANCE_METRIC", ["COSINE": .cosine, "L2": .l2, "IP": .innerProduct], default: .cosine)
        algorithm = reader.choice("REDISVL_INDEXING_ALGORITHM", ["HNSW": .hnsw, "FLAT": .flat], default: .hnsw)
        dimensions = reader.optionalInt("REDISVL_VECTOR_DIMENSIONS", in: 1...32_768, shown: "(the model's)")

        databaseURL = reader.url("DATABASE_URL", default: nil)
        postgresSchema = reader.string("POSTGRES_SCHEMA", default: "agent_memory")
        postgresPoolSize = reader.int("POSTGRES_POOL_SIZE", in: 1...256, default: 8)
        postgresIdleSeconds = reader.seconds("POSTGRES_IDLE_SECONDS", in: 1...86_400, default: 20)
        autoMigrate = reader.bool("AUTO_MIGRATE", default: true)
        if factory == "pgvector", databaseURL == nil {
            reader.problem(
                "DATABASE_URL is not set; MEMORY_VECTOR_DB_FACTORY=pgvector needs it, such as postgresql://user@localhost/agent_memory"
            )
        }

        localModelPath = reader.optionalString("LOCAL_MODEL_PATH")
        localModelCache = reader.path("LOCAL_MODEL_CACHE", default: Self.modelCache(variables))
        localEmbeddingThreads = reader.int(
            "LOCAL_EMBEDDING_THREADS", in: 1...64, default: min(ProcessInfo.processInfo.activeProcessorCount, 8))
        localModelLoad = reader.choice("LOCAL_MODEL_LOAD", ["start": .start, "lazy": .lazy], default: .start)
        embeddingModel = reader.string("EMBEDDING_MODEL", default: Self.embeddingModel(localModelPath))
        let isPathUsed = embeddingModel.hasPrefix("local/") && !embeddingModel.hasPrefix("local/hashing-")
        if localModelPath != nil, !isPathUsed {
            reader.problem(
                "LOCAL_MODEL_PATH is set, but EMBEDDING_MODEL=\(embeddingModel) is not a model in a folder; leave one of them out"
            )
        }
        openAIKey = reader.secret("OPENAI_API_KEY")
        openAIBase = reader.url("OPENAI_API_BASE", default: nil)
        embeddingKeyHeader = reader.token("EMBEDDING_API_KEY_HEADER", "the name of a header", of: Self.isHeaderName)
        embeddingAPIVersion = reader.token("EMBEDDING_API_VERSION", "a version such as 2024-10-21", of: Self.isVersion)
        embeddingTimeoutSeconds = reader.seconds("EMBEDDING_TIMEOUT_SECONDS", in: 0.1...600, default: 30)
        embeddingDeadlineSeconds = reader.seconds("EMBEDDING_DEADLINE_SECONDS", in: 0.1...3600, default: 60)
        embeddingBatchSize = reader.int("EMBEDDING_BATCH_SIZE", in: 1...2048, default: 256)
        embeddingCacheEntries = reader.int("EMBEDDING_CACHE_ENTRIES", in: 0...10_000_000, default: 10_000)
        embeddingCacheBytes = reader.int("EMBEDDING_CACHE_BYTES", in: 0...(1 << 40), default: 64 << 20)

        Self.refuseAuthentication(&reader, variables)
        Self.noteContradictions(&reader, variables)
        sources.check(known: reader.names, &reader)
        inForce = reader.inForce
        warnings = reader.warnings
    }

    /// A token as RFC 9110 has it, section 5.6.2.
    private static func isHeaderName(_ scalar: Unicode.Scalar) -> Bool {
        isVersion(scalar) || "!#$%&'*+^`|~".unicodeScalars.contains(scalar)
    }

    private static func isVersion(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "-", "_", ".": true
        default: false
        }
    }

    /// Values that are fine alone, of which one keeps the other from having an effect.
    private static func noteContradictions(_ reader: inout SettingsReader, _ variables: [String: String]) {
        for (name, limit) in [
            ("JOB_BACKOFF_SECONDS", "JOB_BACKOFF_LIMIT_SECONDS"),
            ("EMBEDDING_TIMEOUT_SECONDS", "EMBEDDING_DEADLINE_SECONDS"),
        ] {
            guard let value = variables[name].flatMap(Double.init), let bound = variables[limit].flatMap(Double.init),
                value > bound
            else { continue }
            reader.warn("\(name) is longer than \(limit), which bounds it")
        }
    }

    /// A folder of a model that is given is the model that is wanted, under the folder's name.
    private static func embeddingModel(_ localModelPath: String?) -> String {
        guard let name = localModelPath?.split(separator: "/").last else { return "text-embedding-3-small" }
        return "local/\(name)"
    }

    /// The models' folder below the user's cache; `nil` for a user without a home.
    private static func modelCache(_ variables: [String: String]) -> String? {
        func folder(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
        let cache = folder("XDG_CACHE_HOME") ?? folder("HOME").map { "\($0)/.cache" }
        return cache.map { "\($0)/agent-memory/models" }
    }

    /// Authentication is not built: a server that was asked to be closed must not run open.
    private static func refuseAuthentication(_ reader: inout SettingsReader, _ variables: [String: String]) {
        let consequence = "this version has no authentication, and does not run open where it was asked for"
        for name in SettingNames.ofAccess.sorted() where variables[name]?.isEmpty == true {
            reader.problem(name, "the value is empty, which does not say whether the server may run open; leave it out")
        }
        if !reader.bool("DISABLE_AUTH", default: true) { reader.problem("DISABLE_AUTH=false: \(consequence)") }
        if reader.bool("TOKEN_AUTH_ENABLED", default: false) {
            reader.problem("TOKEN_AUTH_ENABLED=true: \(consequence)")
        }
        _ = reader.choice("AUTH_MODE", ["disabled": true], default: true, otherwise: "\"disabled\": \(consequence)")
    }

    /// What `--print-config` shows.
    var description: String {
        inForce.map { "\($0.name)=\($0.value)" }.joined(separator: "\n")
    }
}
