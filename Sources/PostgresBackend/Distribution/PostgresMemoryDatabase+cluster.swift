import AgentMemory
import PostgresDriver

/// Calls that take another way in a Citus cluster, because one statement may not write both a
/// distributed table and one of the coordinator.
extension PostgresMemoryDatabase {
    var layout: ClusterLayout? { database.configuration.layout }
    private var cluster: ClusterSQL? { layout.map { ClusterSQL(layout: $0) } }

    /// ``SearchSQL/count(_:)``, or that of a cluster.
    func countStatement(_ filter: MemoryFilter) -> PostgresStatement {
        cluster?.count(filter) ?? SearchSQL.count(filter)
    }

    /// ``SearchSQL/countForSearch(_:phrases:)``, or that of a cluster.
    func countForSearchStatement(_ filter: MemoryFilter, phrases: [[String]]) -> PostgresStatement {
        cluster?.countForSearch(filter, phrases: phrases) ?? SearchSQL.countForSearch(filter, phrases: phrases)
    }

    /// ``SearchSQL/settings(for:filtered:)``, or those of a cluster.
    func scanSettings(for plan: SearchPlan, filtered: Bool) -> [PostgresStatement] {
        cluster?.settings(for: plan) ?? [sql.settings(for: plan, filtered: filtered)].compactMap(\.self)
    }

    /// Locks and reads records one by one, in the order of all writers, if they are on several
    /// nodes; `nil` if one statement can.
    func clusterLocks(of ids: [String]) -> [PostgresStatement]? {
        guard layout == .spread else { return nil }
        return ids.exactlyDistinct().inOrder(ofID: \.self).map(ClusterSQL.lock)
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` if the vectors are spread: no trigger
    ///   could remove those of a text that another server changes meanwhile.
    func refuseReembedding() throws(MemoryError) {
        guard layout == .spread else { return }
        throw MemoryError(
            .misconfigured,
            "the vectors of a spread store are of one model: for another one, export the memories, and import them into another schema",
            setting: .distribution)
    }

    /// Removes the records that are within the scope, and notes that.
    ///
    /// - Returns: how many there were.
    func deleteInCluster(_ ids: [String], within scope: AccessScope) async throws -> Int {
        try await call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.withTransaction([DeletionSQL.lock(ids: ids)], deadline: deadline) {
                    connection, _ in
                    let removed = try await connection.query(ClusterSQL.remove(ids, within: scope), deadline: deadline)
                        .rows.map { try $0.text(0) }
                    // The scope of everything notes all: a promotion of an id that is not stored
                    // yet must not come after its deletion.
                    let noted = scope.isEverything ? ids : removed
                    _ = try await connection.pipeline(
                        [DeletionSQL.note(noted), PostgresStatement("COMMIT")], deadline: deadline)
                    return removed.count
                }
            }
        }
    }

    /// Removes some records of the scope and the notes of their deletion; a cluster has no history.
    func eraseInCluster(_ scope: ErasureScope, limit: Int) async throws -> Int {
        try await call { deadline in
            try await self.database.retryingConflicts {
                let found = try await self.database.query(
                    ClusterSQL.ids(of: scope, limit: limit), retry: .repeatable, deadline: deadline
                ).rows.map { try $0.text(0) }
                guard !found.isEmpty else { return 0 }
                let results = try await self.database.pipeline(
                    [ClusterSQL.remove(found, of: scope), ClusterSQL.removeNotes(of: found)],
                    retry: .onlyIfNotExecuted, deadline: deadline)
                return results[0].count
            }
        }
    }
}

extension PostgresMemoryDatabase {
    /// - Throws: ``MemoryError`` with code `misconfigured` for what the nodes of a cluster cannot
    ///   do.
    static func checkCluster(
        _ configuration: PostgresDatabase.Configuration, _ history: HistoryRetention
    ) throws(MemoryError) {
        guard configuration.layout != nil else { return }
        func refuse(_ text: String) -> MemoryError { MemoryError(.misconfigured, text, setting: .distribution) }
        if history != .off {
            throw refuse("a history is not possible in a cluster, whose nodes do not number events in one order")
        }
        if configuration.rowSecurity {
            throw refuse("row-level security is not possible in a cluster: Citus refuses policies with subqueries")
        }
        if configuration.readURL != nil {
            throw refuse("a read replica is not possible in a cluster: the coordinator does not know its position")
        }
    }
}
