import Migrations
import PostgresDriver

/// The rights that the database user needs, independent of the schema's owner.
enum SchemaRights {
    /// Every table that a migration creates.
    static let tables: [String] = Migration.all.flatMap { migration in
        migration.sql.matches(of: #/(?m)^CREATE TABLE (\w+)/#).map { String($0.output.1) }
    }

    /// One row for each schema that the user may not use: that of the tables, or that of the
    /// extension.
    static func missingOnSchemas(_ schema: SchemaName) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT DISTINCT 'USAGE on the schema ' || n.nspname FROM pg_namespace n \
            WHERE (n.nspname = $1 OR n.oid IN (SELECT extnamespace FROM pg_extension WHERE extname = 'vector')) \
            AND NOT has_schema_privilege(n.oid, 'USAGE') ORDER BY 1
            """, [.text(schema.name)])
    }

    /// One row for each table on which the user lacks a right.
    static func missingOnTables(_ schema: SchemaName) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT string_agg(p.privilege, ', ' ORDER BY p.n) || ' on the table ' || c.relname \
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
            CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS p (privilege, n) \
            WHERE n.nspname = $1 AND c.relname = ANY ($2) AND NOT has_table_privilege(c.oid, p.privilege) \
            GROUP BY c.relname ORDER BY c.relname
            """, [.text(schema.name), .textArray(tables)])
    }

    /// In the server's own words.
    static func refusal(_ missing: [String]) -> PostgresError {
        PostgresError(
            .server, "the database user lacks a right", sqlState: "42501", underlying: missing.joined(separator: "; "))
    }
}
