/// How connections are made.
public struct PostgresConfiguration: Sendable {
    /// Anything that libpq takes: `postgresql://…` with one or several hosts, or `key=value` pairs,
    /// with TLS settings, service files and the `PG…` environment variables as libpq has them. Of
    /// several hosts, one that takes writes is looked for, unless the string or
    /// `PGTARGETSESSIONATTRS` says otherwise.
    public var connectionString: String
    /// Shown in `pg_stat_activity`, unless the connection string says otherwise.
    public var applicationName: String
    /// Whole seconds for each host; at least 2 (libpq's own lower end). A value in the connection
    /// string wins.
    public var connectTimeoutSeconds: Int
    /// Run on each new connection, in one round trip, before it is used.
    public var setup: [PostgresStatement]
    /// How many prepared statements a connection keeps.
    public var preparedStatementLimit: Int

    public init(
        connectionString: String, applicationName: String = "agent-memory", connectTimeoutSeconds: Int = 5,
        setup: [PostgresStatement] = [], preparedStatementLimit: Int = 256
    ) {
        self.connectionString = connectionString
        self.applicationName = applicationName
        self.connectTimeoutSeconds = max(2, connectTimeoutSeconds)
        self.setup = setup
        self.preparedStatementLimit = max(1, preparedStatementLimit)
    }
}
