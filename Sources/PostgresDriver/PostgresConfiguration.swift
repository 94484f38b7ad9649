/// How connections are made.
public struct PostgresConfiguration: Sendable {
    /// Anything that libpq takes: `postgresql://…` with one or several hosts, or `key=value` pairs,
    /// with TLS settings, service files and the `PG…` environment variables. Of several hosts, one
    /// that accepts writes is used, or a standby if ``prefersStandby``, unless the string or
    /// `PGTARGETSESSIONATTRS` says otherwise.
    public var connectionString: String
    /// Whether a standby is looked for among several hosts. Default `false`.
    public var prefersStandby = false
    /// Shown in `pg_stat_activity`, unless the connection string says otherwise.
    public var applicationName: String
    /// Whole seconds for each host; at least 2 (libpq's own minimum). A value in the connection
    /// string overrides it.
    public var connectTimeoutSeconds: Int
    /// Run on each new connection, in one round trip, before it is used.
    public var setup: [PostgresStatement]
    /// What ``setup`` does, for one transaction alone (`SET LOCAL`): run at the start of each one
    /// through a pooler that gives each transaction another session. `nil` refuses such a pooler.
    public var transactionSetup: [PostgresStatement]?
    /// The largest number of prepared statements of a connection.
    public var preparedStatementLimit: Int

    public init(
        connectionString: String, applicationName: String = "agent-memory", connectTimeoutSeconds: Int = 5,
        setup: [PostgresStatement] = [], transactionSetup: [PostgresStatement]? = nil,
        preparedStatementLimit: Int = 256
    ) {
        self.connectionString = connectionString
        self.applicationName = applicationName
        self.connectTimeoutSeconds = max(2, connectTimeoutSeconds)
        self.setup = setup
        self.transactionSetup = transactionSetup
        self.preparedStatementLimit = max(1, preparedStatementLimit)
    }
}
