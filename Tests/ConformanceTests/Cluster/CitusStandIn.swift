import PostgresDriver
import TestServices
import TestSupport

/// Functions and a table in place of the extension citus, on a server of one test: they distribute
/// nothing, but refuse what Citus refuses of a table, and remember the rest as its catalog does.
enum CitusStandIn {
    /// Installs them, and lets the server log every statement.
    static func install(on server: OwnServer) async throws {
        let pool = try PostgresPool(.init(connection: .init(connectionString: server.url), maximumConnections: 1))
        defer { pool.close() }
        try await pool.withConnection(deadline: .soon) { connection in
            for command in commands { try await connection.script(command, deadline: .soon) }
        }
    }

    private static let commands = [
        "CREATE EXTENSION vector WITH SCHEMA public",
        "CREATE TABLE public.pg_dist_partition (logicalrelid regclass PRIMARY KEY, partmethod \"char\", partkey text, colocated text)",
        "CREATE FUNCTION public.citus_version() RETURNS text LANGUAGE sql AS $$ SELECT 'Citus 13.2.2 on a stand-in' $$",
        "CREATE FUNCTION public.citus_is_coordinator() RETURNS boolean LANGUAGE sql AS $$ SELECT true $$",
        """
        CREATE FUNCTION public.run_command_on_workers(command text, OUT nodename text, OUT nodeport int,
            OUT success boolean, OUT result text) RETURNS SETOF record LANGUAGE sql AS $$ SELECT 'w', 1, true, '10' $$
        """,
        createDistributedTable,
        "ALTER SYSTEM SET log_statement = 'all'", "ALTER SYSTEM SET log_parameter_max_length = 0",
        "ALTER SYSTEM SET log_line_prefix = '\(LoggedStatement.mark)%c|%v|'", "SELECT pg_reload_conf()",
    ]

    private static let createDistributedTable = """
        CREATE FUNCTION public.create_distributed_table(table_name regclass, distribution_column text,
            distribution_type text DEFAULT 'hash', colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL)
        RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            found text;
            place text := CASE colocate_with WHEN 'none' THEN table_name::text ELSE (
                SELECT colocated FROM pg_dist_partition WHERE logicalrelid = colocate_with::regclass) END;
        BEGIN
            IF place IS NULL THEN
                RAISE 'cannot distribute relation % next to %', table_name, colocate_with;
            END IF;
            IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = table_name) THEN
                RAISE 'table "%" is already distributed', table_name;
            END IF;
            IF current_setting('citus.enable_unsafe_triggers', true) IS DISTINCT FROM 'on'
                AND EXISTS (SELECT FROM pg_trigger WHERE tgrelid = table_name AND NOT tgisinternal) THEN
                RAISE 'cannot distribute relation "%" because it has triggers', table_name;
            END IF;
            -- A statement on a shard cannot read transition tables together with distributed ones.
            SELECT tgname INTO found FROM pg_trigger WHERE tgrelid = table_name
                AND (tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL);
            IF FOUND THEN RAISE 'the trigger % has a transition table', found; END IF;
            SELECT polname INTO found FROM pg_policy WHERE polrelid = table_name
                AND (pg_get_expr(polqual, polrelid) ~ 'SELECT' OR pg_get_expr(polwithcheck, polrelid) ~ 'SELECT');
            IF FOUND THEN RAISE 'Subqueries are not supported in policies on distributed tables'; END IF;
            SELECT conname INTO found FROM pg_constraint WHERE contype = 'f' AND (conrelid = table_name
                OR confrelid = table_name) AND NOT EXISTS (SELECT FROM pg_dist_partition d
                WHERE d.logicalrelid = CASE conrelid WHEN table_name THEN confrelid ELSE conrelid END);
            IF FOUND THEN RAISE 'the key % leads to or from a table that is not distributed', found; END IF;
            SELECT i.indexrelid::regclass::text INTO found FROM pg_index i WHERE i.indrelid = table_name
                AND i.indisunique AND distribution_column IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute a
                WHERE a.attrelid = table_name AND a.attname = distribution_column AND a.attnum = ANY (i.indkey));
            IF FOUND THEN
                RAISE 'Distributed relations cannot have UNIQUE constraints without the partition column: %', found;
            END IF;
            INSERT INTO pg_dist_partition VALUES (table_name,
                CASE WHEN distribution_column IS NULL THEN 'n' ELSE 'h' END, distribution_column, place);
        END
        $$
        """
}
