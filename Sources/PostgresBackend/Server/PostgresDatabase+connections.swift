import PostgresDriver

extension PostgresDatabase.Configuration {
    /// The connections that serve calls.
    func pool(schema: SchemaName) -> PostgresPool.Configuration {
        pool(schema: schema, at: databaseURL)
    }

    /// The connections to the replica, if there is one, with the settings of ``pool(schema:)``.
    func readPool(schema: SchemaName) -> PostgresPool.Configuration? {
        readURL.map { url in
            var configuration = pool(schema: schema, at: url)
            configuration.connection.prefersStandby = true
            return configuration
        }
    }

    private func pool(schema: SchemaName, at url: String) -> PostgresPool.Configuration {
        let milliseconds = timeout.settingMilliseconds
        var settings: [(String, String)] = [
            // A second limit: the server also stops statements of a client that died.
            ("statement_timeout", String(max(1, milliseconds))),
            ("idle_in_transaction_session_timeout", String(max(1000, (timeout * 2).settingMilliseconds))),
            // The planner takes distances to be cheap, but expects compiling them to save much.
            ("jit", "off"),
            // The default is for spinning disks: it makes reading a whole table look better than
            // its index.
            ("random_page_cost", "1.1"),
            ("hnsw.iterative_scan", "relaxed_order"),
            ("hnsw.ef_search", String(SearchSQL.defaultBreadth)),
            ("hnsw.scan_mem_multiplier", "8"),
        ]
        if layout != nil { settings.append(ClusterLayout.propagation) }
        func setup(isLocal: Bool) -> [PostgresStatement] {
            let calls = settings.map { "set_config('\($0.0)', '\($0.1)', \(isLocal))" }.joined(separator: ", ")
            return [PostgresStatement("SELECT \(calls)"), SchemaConnection.searchPath(schema, isLocal: isLocal)]
        }
        let seconds = Int(min(timeout, .seconds(10)).components.seconds)
        return PostgresPool.Configuration(
            connection: PostgresConfiguration(
                connectionString: url, connectTimeoutSeconds: max(2, seconds),
                setup: setup(isLocal: false), transactionSetup: setup(isLocal: true)),
            maximumConnections: poolSize, idleLimit: idleLimit)
    }

    /// Limits the statements that follow in the transaction, on the server.
    func statementLimit(_ limit: Duration) -> PostgresStatement {
        PostgresStatement(
            "SELECT set_config('statement_timeout', $1, true)", [.text(String(max(1, limit.settingMilliseconds)))])
    }

    /// The connections for reading snapshots: few, because each holds back the vacuum of the
    /// server.
    func snapshotPool(schema: SchemaName) -> PostgresPool.Configuration {
        var connections = pool(schema: schema)
        connections.maximumConnections = 2
        return connections
    }

    /// The connections for changes of the schema, if they take another way than calls: for the
    /// migrations, the registry of vectors and a build of an index at the same time.
    var migrationPool: PostgresPool.Configuration? {
        migrationURL.map { url in
            PostgresPool.Configuration(
                connection: PostgresConfiguration(connectionString: url), maximumConnections: 4, idleLimit: idleLimit)
        }
    }
}

extension Duration {
    /// In the range of the server's settings: at least 0, at most 32 bits.
    var settingMilliseconds: Int32 {
        let (seconds, attoseconds) = min(max(self, .zero), .seconds(2_000_000)).components
        return Int32(seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}
