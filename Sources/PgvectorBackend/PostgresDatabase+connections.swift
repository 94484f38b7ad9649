import PostgresDriver

extension PostgresDatabase.Configuration {
    /// The connections that serve calls.
    func pool(schema: SchemaName) -> PostgresPool.Configuration {
        let milliseconds =
            timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
        let settings: [(String, String)] = [
            // A second brake: the server also stops what a client that died has begun.
            ("statement_timeout", String(max(1, milliseconds))),
            ("idle_in_transaction_session_timeout", String(max(1000, 2 * milliseconds))),
            // Distances look cheap to the planner but not to its estimate of what compiling them would save.
            ("jit", "off"),
            // The default is that of spinning disks: it makes reading a whole table look better than its index.
            ("random_page_cost", "1.1"),
            ("hnsw.iterative_scan", "relaxed_order"),
            ("hnsw.ef_search", String(SearchSQL.defaultBreadth)),
            ("hnsw.scan_mem_multiplier", "8"),
        ]
        let calls = settings.map { "set_config('\($0.0)', '\($0.1)', false)" }.joined(separator: ", ")
        let seconds = Int(timeout.components.seconds)
        return PostgresPool.Configuration(
            connection: PostgresConfiguration(
                connectionString: databaseURL, connectTimeoutSeconds: min(max(2, seconds), 10),
                setup: [PostgresStatement("SELECT \(calls)"), SchemaSession.searchPath(schema)]),
            maximumConnections: poolSize)
    }
}
