/// The Postgres server and the schema in it.
public struct PostgresSettings: SettingsRoom {
    /// Where the tables of memories lie in a Citus cluster.
    public enum Layout: Sendable { case placed, spread }

    public static let title = "Postgres"

    public let url = Setting<String?>.address(
        "DATABASE_URL", values: "URL or `key=value` string of libpq",
        "TLS, service files and several hosts as libpq has them; a pooler may pool by session or by transaction.")
    public let migrationURL = Setting<String?>.address(
        "DATABASE_MIGRATION_URL", values: "URL or `key=value` string of libpq",
        "The same database past a pooler that pools by transaction: for migrations, and for making tables and indexes of vectors."
    )
    public let readURL = Setting<String?>.address(
        "DATABASE_READ_URL", values: "URL or `key=value` string of libpq",
        "One or several standbys that answer reads of long-term memory with the header `X-Memory-Position`, once they show the writes that it stands for; else the primary does."
    )
    public let schema = Setting<String>.word("POSTGRES_SCHEMA", default: "agent_memory", "The schema of all tables.")
    public let poolSize = Setting<Int>.int(
        "POSTGRES_POOL_SIZE", in: 1...256, default: 8, "The largest number of connections of one server.")
    public let idleLimit = Setting<Duration>.seconds(
        "POSTGRES_IDLE_SECONDS", in: 1...86_400, default: 20,
        "After this time an unused connection is closed; one stays.")
    public let quietLimit = Setting<Duration>.seconds(
        "POSTGRES_QUIET_AFTER_SECONDS", in: 0...86_400, default: 300,
        "After this time without a call the server's own upkeep looks at the database once an hour, and for jobs when one is due, so that a serverless database may sleep; 0: it always looks every few seconds. `GET /v1/ready` asks the database, `GET /v1/health` does not."
    )
    public let unindexedMegabytes = Setting<Int>.int(
        "POSTGRES_UNINDEXED_MB", in: 0...4096, default: 64,
        "This much of vectors written lately waits outside of the HNSW index, so that writes are fast; every search by vector scans it. Beyond that, and with 0, writes insert into the index themselves."
    )
    public let codeMegabytes = Setting<Int>.int(
        "POSTGRES_CODES_MB", in: 0...4096, default: 64,
        "This much of the server's memory holds codes of the vectors of users whose memories are searched often, so that Postgres measures only the best; one user takes at most a quarter, 0: none."
    )
    public let autoMigrate = Setting<Bool>.bool(
        "AUTO_MIGRATE", default: true,
        "`false`: run `agent-memory migrate up` yourself (`status`, `dry-run`), with the settings of the servers.")
    public let rowSecurity = Setting<Bool>.bool(
        "POSTGRES_ROW_SECURITY", default: false,
        "The database limits each transaction to what its caller reaches; see [access](access.md#row-security).")
    public let isDistributed = Setting<Bool>.choice(
        "POSTGRES_DISTRIBUTED", ["off": false, "citus": true], default: false,
        "`citus`: the database is the coordinator of a Citus cluster; see [Citus](stores/citus.md).")
    public let layout = Setting<Layout>.choice(
        "POSTGRES_DISTRIBUTED_LAYOUT", ["placed": .placed, "spread": .spread], default: .placed,
        "With Citus: `placed` keeps all memories of the schema on one node, `spread` divides them over the nodes by their ids."
    )
}
