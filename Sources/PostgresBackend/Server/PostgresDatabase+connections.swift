import PostgresDriver

extension PostgresDatabase.Configuration {
    /// The connections that serve calls.
    func pool(schema: SchemaName) -> PostgresPool.Configuration {
        let milliseconds = timeout.settingMilliseconds
        let settings: [(String, String)] = [
            // A second brake: the server also stops what a client that died has begun.
            ("statement_timeout", String(max(1, milliseconds))),
            ("idle_in_transaction_session_timeout", String(max(1000, (timeout * 2).settingMilliseconds))),
            // Distances look cheap to the planner but not to its estimate of what compiling them
            // would save.
            ("jit", "off"),
            // The default is that of spinning disks: it makes reading a whole table look better
            // than its index.
            ("random_page_cost", "1.1"),
            ("hnsw.iterative_scan", "relaxed_order"),
            ("hnsw.ef_search", String(SearchSQL.defaultBreadth)),
            ("hnsw.scan_mem_multiplier", "8"),
        ]
        let calls = settings.map { "set_config('\($0.0)', '\($0.1)', false)" }.joined(separator: ", ")
        let seconds = Int(min(timeout, .seconds(10)).components.seconds)
        return PostgresPool.Configuration(
            connection: PostgresConfiguration(
                connectionString: databaseURL, connectTimeoutSeconds: max(2, seconds),
                setup: [PostgresStatement("SELECT \(calls)"), SchemaConnection.searchPath(schema)]),
            maximumConnections: poolSize, idleLimit: idleLimit)
    }
}

extension Duration {
    /// As the server's settings take it: at least 0, at most what fits 32 bits.
    fileprivate var settingMilliseconds: Int32 {
        let (seconds, attoseconds) = min(max(self, .zero), .seconds(2_000_000)).components
        return Int32(seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}
