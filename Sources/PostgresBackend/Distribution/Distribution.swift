import AgentMemory
import Logging
import PostgresDriver

/// Distributes the tables of memories over the nodes of a Citus cluster after the migrations.
///
/// Every step looks at the catalog first, so that it can be repeated after a crash, and needs no
/// right if nothing is missing.
struct Distribution: Sendable {
    /// `nil` if the database is not to be distributed.
    let layout: ClusterLayout?
    let schema: SchemaName
    let logger: Logger

    /// The oldest release that has tables of one shard.
    private static let minimumVersion = 12

    /// For connections that change the schema: triggers of a table that is distributed are created
    /// on its shards, and one transaction may change several of them.
    var sessionSettings: [PostgresStatement] {
        guard layout != nil else { return [] }
        let settings = [
            ClusterLayout.propagation, ("citus.enable_unsafe_triggers", "on"),
            ("citus.multi_shard_modify_mode", "sequential"),
        ]
        let calls = settings.map { "set_config('\($0.0)', '\($0.1)', false)" }.joined(separator: ", ")
        return [PostgresStatement("SELECT \(calls)")]
    }

    /// Checks that the tables are distributed as the settings say.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured`.
    func check(on connection: PostgresConnection) async throws {
        let found = try await foundLayout(on: connection)
        if layout != nil { try await checkCluster(on: connection) }
        try compare(found)
        if let layout, found == nil {
            throw refusal(
                "the tables of the schema \(schema.name) are not \(layout.rawValue) yet: run `agent-memory migrate up`, or let the server apply migrations"
            )
        }
    }

    /// Distributes what is not; the caller holds the lock of the migrations.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the cluster or what is stored does
    ///   not fit the settings.
    func settle(on connection: PostgresConnection) async throws {
        let found = try await foundLayout(on: connection)
        if layout != nil { try await checkCluster(on: connection) }
        try compare(found)
        guard let layout else { return }
        let shape = ClusterShape(layout: layout)
        let deadline = SchemaConnection.deadline()
        if found == nil {
            try await checkNodes(on: connection)
            try await connection.withTransaction(deadline: deadline) {
                try await run("LOCK TABLE memories IN ACCESS EXCLUSIVE MODE", on: connection)
                try await refuseRecords(on: connection)
                let vectors = try await vectorTables(on: connection)
                for command in try await undoing(shape, vectors, on: connection) + shape.preparation(of: vectors) {
                    try await run(command, on: connection)
                }
            }
        }
        let vectors = try await vectorTables(on: connection)
        // A later migration may have added triggers of tables that are distributed already.
        for command in try await triggerChanges(shape, vectors, on: connection) {
            try await run(command, on: connection)
        }
        let distributed = try await distributedTables(on: connection)
        for command in shape.distribution(of: vectors) where !distributed.contains(command.table) {
            try await run(command.sql, on: connection)
            logger.info("distributed a table", metadata: ["table": "\(command.table)", "layout": "\(layout.rawValue)"])
        }
        let linked = try await foreignKeys(on: connection).map(\.table)
        for command in shape.foreignKeys(of: vectors) where !linked.contains(command.table) {
            try await run(command.sql, on: connection)
        }
    }

    // MARK: Checks

    private func refusal(_ text: String) -> MemoryError {
        MemoryError(.misconfigured, text, setting: .distribution)
    }

    private func compare(_ found: ClusterLayout?) throws(MemoryError) {
        guard let found, found != layout else { return }
        throw refusal(
            "the tables of the schema \(schema.name) are \(found.rawValue) in a Citus cluster, and the settings say \(layout.map { "that they are \($0.rawValue)" } ?? "nothing of that"); a layout cannot be changed: use another schema, or the settings that the store was made with"
        )
    }

    /// Checks that this is the coordinator of a cluster of a known release.
    private func checkCluster(on connection: PostgresConnection) async throws {
        let exists = try await row("SELECT to_regprocedure('citus_version()') IS NOT NULL", on: connection).bool(0)
        guard exists else {
            throw refusal(
                "the database lacks the extension citus: load it by shared_preload_libraries, and run CREATE EXTENSION citus on the coordinator"
            )
        }
        let state = try await row("SELECT citus_version(), citus_is_coordinator()", on: connection)
        let version = try state.text(0)
        // `Citus 13.2.2 on x86_64-pc-linux-gnu, …`
        let number = version.split(separator: " ").dropFirst().first?.prefix { $0 != "." }
        guard let number, let major = Int(number), major >= Self.minimumVersion else {
            throw refusal("Citus \(Self.minimumVersion) or newer is needed; this is \(version.prefix(40))")
        }
        guard try state.bool(1) else {
            throw refusal(
                "the database is a worker of its cluster: the tables on the coordinator can be used there only, so give its address"
            )
        }
    }

    /// Checks what must hold on the nodes before anything is stored there.
    private func checkNodes(on connection: PostgresConnection) async throws {
        let unfit = try await connection.query(
            PostgresStatement(
                """
                SELECT nodename || ':' || nodeport FROM run_command_on_workers('SHOW max_prepared_transactions') \
                WHERE NOT success OR result = '0' ORDER BY 1
                """), deadline: SchemaConnection.deadline()
        ).rows.map { try $0.text(0) }
        guard unfit.isEmpty else {
            throw refusal(
                "writes to several nodes need max_prepared_transactions above 0 on every node; it is 0, or cannot be read, on \(unfit.joined(separator: ", "))"
            )
        }
    }

    private func refuseRecords(on connection: PostgresConnection) async throws {
        guard try await row("SELECT EXISTS (SELECT 1 FROM memories)", on: connection).bool(0) else { return }
        throw refusal(
            "the schema \(schema.name) has memories in tables that are not distributed: export them (`agent-memory export`), and import them into another schema"
        )
    }

    // MARK: The catalog

    private func row(_ sql: String, _ parameters: [PostgresValue] = [], on connection: PostgresConnection) async throws
        -> PostgresRow
    {
        try await connection.query(PostgresStatement(sql, parameters), deadline: SchemaConnection.deadline())
            .singleRow()
    }

    private func run(_ command: String, on connection: PostgresConnection) async throws {
        try await connection.script(command, deadline: SchemaConnection.deadline())
    }

    /// The layout of the table of memories; `nil` if it is not distributed.
    private func foundLayout(on connection: PostgresConnection) async throws -> ClusterLayout? {
        guard try await row("SELECT to_regclass('pg_dist_partition') IS NOT NULL", on: connection).bool(0) else {
            return nil
        }
        let found = try await connection.query(
            PostgresStatement(
                "SELECT p.partmethod::text FROM pg_dist_partition p WHERE p.logicalrelid = to_regclass($1)",
                [.text("\(schema.quoted).memories")]), deadline: SchemaConnection.deadline())
        guard found.count > 0 else { return nil }
        // Hash by a column, or none.
        return try found[0].text(0) == "h" ? .spread : .placed
    }

    private func distributedTables(on connection: PostgresConnection) async throws -> Set<String> {
        let found = try await connection.query(
            PostgresStatement(
                """
                SELECT c.relname::text FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid \
                JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1
                """, [.text(schema.name)]), deadline: SchemaConnection.deadline())
        return Set(try found.rows.map { try $0.text(0) })
    }

    /// The first table of vectors, and those of other models.
    private func vectorTables(on connection: PostgresConnection) async throws -> [String] {
        let listed = try await connection.query(
            PostgresStatement("SELECT table_name FROM vector_spaces ORDER BY number"),
            deadline: SchemaConnection.deadline()
        ).rows.map { try $0.text(0) }
        return ["memory_embeddings"] + listed.filter { $0 != "memory_embeddings" }
    }

    /// Tables that refer to `memories`, with the names of the constraints.
    private func foreignKeys(on connection: PostgresConnection) async throws -> [(table: String, name: String)] {
        try await connection.query(
            PostgresStatement(
                """
                SELECT c.relname::text, quote_ident(k.conname) FROM pg_constraint k \
                JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f' AND k.confrelid = to_regclass($1) \
                ORDER BY 1, 2
                """, [.text("\(schema.quoted).memories")]), deadline: SchemaConnection.deadline()
        ).rows.map { (try $0.text(0), try $0.text(1)) }
    }

    /// The triggers whose functions are of the schema.
    private func triggers(on connection: PostgresConnection) async throws -> [ClusterShape.Trigger] {
        try await connection.query(
            PostgresStatement(
                """
                SELECT c.relname::text, t.tgname::text, p.proname::text FROM pg_trigger t \
                JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid \
                JOIN pg_namespace n ON n.oid = c.relnamespace AND n.oid = p.pronamespace \
                WHERE n.nspname = $1 AND NOT t.tgisinternal ORDER BY 1, 2
                """, [.text(schema.name)]), deadline: SchemaConnection.deadline()
        ).rows.map { ClusterShape.Trigger(table: try $0.text(0), name: try $0.text(1), function: try $0.text(2)) }
    }

    // MARK: Changes

    /// What Citus refuses on tables that it distributes: policies with subqueries, and keys from
    /// tables that are not distributed. Codes of vectors are not kept on nodes.
    private func undoing(
        _ shape: ClusterShape, _ vectors: [String], on connection: PostgresConnection
    ) async throws -> [String] {
        let tables = shape.tables(with: vectors)
        let codes = vectors.map { VectorCodes(vectors: $0).table }
        let policies = try await connection.query(
            PostgresStatement(
                """
                SELECT quote_ident(p.polname), c.relname::text, c.relrowsecurity FROM pg_policy p \
                JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                WHERE n.nspname = $1 AND c.relname = ANY ($2) ORDER BY 2
                """, [.text(schema.name), .textArray(tables)]), deadline: SchemaConnection.deadline()
        ).rows.map { (name: try $0.text(0), table: try $0.text(1), isEnabled: try $0.bool(2)) }
        return codes.map { "DROP TABLE IF EXISTS \($0)" }
            + policies.map { "DROP POLICY \($0.name) ON \($0.table)" }
            + policies.filter(\.isEnabled).map { "ALTER TABLE \($0.table) DISABLE ROW LEVEL SECURITY" }
            + (try await foreignKeys(on: connection).filter { !codes.contains($0.table) }
                .map { "ALTER TABLE \($0.table) DROP CONSTRAINT \($0.name)" })
            + (try await triggerChanges(shape, vectors, on: connection))
    }

    /// Drops the triggers that cannot work on shards, and creates those that take their place.
    private func triggerChanges(
        _ shape: ClusterShape, _ vectors: [String], on connection: PostgresConnection
    ) async throws -> [String] {
        let tables = shape.tables(with: vectors)
        let existing = try await triggers(on: connection).filter { tables.contains($0.table) }
        let wanted = shape.triggers
        return existing.filter { !wanted.keys.contains($0) }.map { "DROP TRIGGER \($0.name) ON \($0.table)" }
            + wanted.filter { !existing.contains($0.key) }.sorted { $0.key.name < $1.key.name }.map(\.value)
    }
}
