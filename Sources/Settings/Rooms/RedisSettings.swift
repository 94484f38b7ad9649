/// The Redis server and the names in it.
public struct RedisSettings: SettingsRoom {
    public static let title = "Redis"

    public let url = Setting<String>.address(
        "REDIS_URL", default: "redis://localhost:6379",
        "`redis://`, `rediss://` or `unix://`, with user and password; database 0; no cluster.")
    public let connections = Setting<Int>.int(
        "REDIS_CONNECTIONS", in: 1...64, default: 2,
        "Connections for memories, and as many again for sessions and jobs; many calls share each.")
    public let indexName = Setting<String>.word(
        "REDISVL_INDEX_NAME", default: "memory_records", "The search index over memories.")
    public let keyPrefix = Setting<String>.word("REDISVL_INDEX_PREFIX", default: "memory_idx", "The keys of memories.")
    public let sessionIndexName = Setting<String>.word(
        "WORKING_MEMORY_INDEX_NAME", default: "working_memory_idx", "The search index over sessions.")
    public let sessionKeyPrefix = Setting<String>.word(
        "WORKING_MEMORY_INDEX_PREFIX", default: "working_memory:", "The keys of sessions.")
    public let jobsKeyPrefix = Setting<String>.word(
        "REDIS_JOBS_PREFIX", default: "agent_memory:jobs",
        "The keys of background jobs; deployments that share a Redis but not their memories need one each.")
    public let tokensKeyPrefix = Setting<String>.word(
        "REDIS_TOKENS_PREFIX", default: "agent_memory:tokens", "The keys of access tokens.")
    public let documentsKeyPrefix = Setting<String>.word(
        "REDIS_DOCUMENTS_PREFIX", default: "agent_memory:documents",
        "The keys of what is derived from memories and sessions; deployments that share a Redis but not their memories need one each."
    )
}
