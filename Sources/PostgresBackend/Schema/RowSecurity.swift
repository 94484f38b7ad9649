import AgentMemory
import Logging
import PostgresDriver

/// Row-level security on the tables of one schema, by the policies that the migrations create.
///
/// It is forced, so that it holds for the owner of the tables too.
struct RowSecurity: Sendable {
    /// What every policy is called; tables that have one are protected.
    static let policy = "agent_memory_scope"

    let schema: SchemaName
    let logger: Logger

    private struct Table {
        let name: String
        let isEnabled: Bool
        let isForced: Bool
        let isOwn: Bool
    }

    // MARK: The scope of a transaction

    /// Limits what the rest of the transaction reaches.
    static func limit(to scope: AccessScope) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT set_config('agent_memory.namespaces', coalesce(($1::text[])::text, '*'), true), \
            set_config('agent_memory.users', coalesce(($2::text[])::text, '*'), true)
            """, [patterns(scope.namespaces), patterns(scope.users)])
    }

    /// Lets a connection reach everything, also outside of transactions.
    static let session = PostgresStatement(
        "SELECT set_config('agent_memory.namespaces', '*', false), set_config('agent_memory.users', '*', false)")

    private static func patterns(_ values: PermittedValues) -> PostgresValue {
        guard !values.isEverything else { return .null(.textArray) }
        return .textArray(values.exactValues.map(literal) + values.prefixes.map { literal($0) + "%" })
    }

    /// A pattern of LIKE that only this text matches.
    private static func literal(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar == "\\" || scalar == "%" || scalar == "_" { scalars.append("\\") }
            scalars.append(scalar)
        }
        return String(scalars)
    }

    // MARK: Turning it on and off

    /// Enables row-level security where it is not; needs the right of the owner only then.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the user is exempt from it, or may
    ///   not enable it.
    func enable(on connection: PostgresConnection) async throws {
        try await checkUser(on: connection)
        try await addMissingPolicies(on: connection)
        let missing = try await tables(on: connection).filter { !$0.isEnabled || !$0.isForced }
        guard !missing.isEmpty else { return }
        guard missing.allSatisfy(\.isOwn) else {
            throw MemoryError(
                .misconfigured,
                """
                row-level security is not enabled in the schema \(schema.name): let the owner of its tables run \
                `agent-memory migrate up` with the settings of the servers
                """, setting: .rowSecurity)
        }
        try await change(missing, "ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY", on: connection)
        logger.info("enabled row-level security", metadata: ["tables": "\(missing.count)"])
    }

    /// Disables row-level security where it is enabled.
    func disable(on connection: PostgresConnection) async throws {
        let enabled = try await tables(on: connection).filter { $0.isEnabled || $0.isForced }
        guard !enabled.isEmpty else { return }
        try await change(enabled, "NO FORCE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY", on: connection)
        logger.warning("disabled row-level security", metadata: ["tables": "\(enabled.count)"])
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` if it is enabled: a server that sets no
    ///   scope would see nothing.
    func checkDisabled(on connection: PostgresConnection) async throws {
        guard try await tables(on: connection).contains(where: \.isEnabled) else { return }
        throw MemoryError(
            .misconfigured,
            """
            row-level security is enabled in the schema \(schema.name), and this server would see nothing: start it \
            with row security, or disable that by `agent-memory migrate up` without it
            """, setting: .rowSecurity)
    }

    /// The condition of the policy on `memories`, for other tables with the owner of a record
    /// (`Migrations/0009_create_row_policies.sql`).
    private static let ownerInScope =
        ["namespaces": "namespace", "users": "user_id"].sorted { $0.key < $1.key }.map { field, column in
            """
            ((SELECT scope_permits_all('\(field)')) \
            OR \(column) COLLATE "C" LIKE ANY ((SELECT scope_permits('\(field)'))::text[]))
            """
        }.joined(separator: " AND ")

    private func checkUser(on connection: PostgresConnection) async throws {
        let isExempt = try await connection.query(
            PostgresStatement("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"),
            deadline: SchemaConnection.deadline()
        ).singleRow().bool(0)
        guard isExempt else { return }
        throw MemoryError(
            .misconfigured,
            "the database user is a superuser or has BYPASSRLS, so row-level security does not hold for it",
            setting: .rowSecurity)
    }

    /// The tables of vectors and of their codes that were created after the migration.
    private func addMissingPolicies(on connection: PostgresConnection) async throws {
        let deadline = SchemaConnection.deadline()
        let missing = try await connection.query(
            PostgresStatement(
                """
                SELECT quote_ident(t.name), t.has_owners FROM vector_spaces v \
                CROSS JOIN LATERAL (VALUES (v.table_name, false), (v.table_name || '_codes', true)) t (name, has_owners) \
                JOIN pg_class c ON c.oid = to_regclass(quote_ident(t.name)) \
                WHERE NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) \
                AND pg_has_role(c.relowner, 'USAGE')
                """), deadline: deadline
        ).rows.map {
            (table: try $0.text(0), condition: try $0.bool(1) ? Self.ownerInScope : "(SELECT scope_is_set())")
        }
        guard !missing.isEmpty else { return }
        let policies = missing.map { "CREATE POLICY \(Self.policy) ON \($0.table) USING (\($0.condition))" }
        try await connection.script(policies.joined(separator: "; "), deadline: deadline)
    }

    private func change(_ tables: [Table], _ changes: String..., on connection: PostgresConnection) async throws {
        let statements = tables.flatMap { table in changes.map { "ALTER TABLE \(table.name) \($0)" } }
        try await connection.script(statements.joined(separator: "; "), deadline: SchemaConnection.deadline())
    }

    /// The tables that have a policy.
    private func tables(on connection: PostgresConnection) async throws -> [Table] {
        try await connection.query(
            PostgresStatement(
                """
                SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relrowsecurity, \
                c.relforcerowsecurity, pg_has_role(c.relowner, 'USAGE') FROM pg_policy p \
                JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                WHERE n.nspname = $1 AND p.polname = $2 ORDER BY c.oid
                """, [.text(schema.name), .text(Self.policy)]), deadline: SchemaConnection.deadline()
        ).rows.map {
            Table(name: try $0.text(0), isEnabled: try $0.bool(1), isForced: try $0.bool(2), isOwn: try $0.bool(3))
        }
    }
}
