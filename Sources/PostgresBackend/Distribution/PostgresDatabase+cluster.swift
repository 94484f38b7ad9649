import PostgresDriver

extension PostgresDatabase {
    /// The statements between `BEGIN` and `COMMIT` if they need it, because without them a cluster
    /// commits each statement alone, and no setting reaches the nodes; `nil` if they do not.
    ///
    /// - Parameter isRead: whether nothing is written: then only settings need a transaction.
    func clusterTransaction(of statements: [PostgresStatement], isRead: Bool) -> [PostgresStatement]? {
        guard configuration.layout != nil, statements.count > 1, !statements[0].sql.hasPrefix("BEGIN"),
            !isRead || statements.contains(where: { $0.sql.hasPrefix("SET LOCAL") })
        else { return nil }
        return [PostgresStatement("BEGIN")] + statements + [PostgresStatement("COMMIT")]
    }
}
