import AgentMemory
import PostgresDriver

/// The statements on the table `documents`, as pure functions. Time is the server's.
enum DocumentSQL {
    private static let columns = "id, parent, namespace, user_id, body, revision"

    static func document(_ key: DocumentKey) -> PostgresStatement {
        PostgresStatement(
            "SELECT \(columns) FROM documents WHERE kind = $1 AND id = $2 AND expires_at > now()",
            [.text(key.kind.rawValue), .text(key.id)])
    }

    /// The page, and the number of all in one row.
    static func documents(
        _ kind: DocumentKey.Kind, of parent: String, within scope: AccessScope, page: PageRequest
    ) -> [PostgresStatement] {
        func matching(_ sql: inout SQLBuilder) -> String {
            let conditions = [
                "d.kind = \(sql.bind(kind.rawValue))", "d.parent = \(sql.bind(parent))", "d.expires_at > now()",
            ]
            return (conditions + ScopeSQL.conditions(scope, of: "d", &sql)).joined(separator: " AND ")
        }
        var paged = SQLBuilder()
        let condition = matching(&paged)
        let text = """
            SELECT \(columns) FROM documents d WHERE \(condition) ORDER BY d.id LIMIT \(paged.bind(page.limit)) \
            OFFSET \(paged.bind(page.offset))
            """
        var counted = SQLBuilder()
        let count = "SELECT count(*) FROM documents d WHERE \(matching(&counted))"
        return [paged.statement(text), counted.statement(count)]
    }

    /// The documents of a kind after an id.
    static func scan(_ kind: DocumentKey.Kind, after id: String, limit: Int) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT \(columns) FROM documents WHERE kind = $1 AND id > $2 AND expires_at > now() ORDER BY id LIMIT $3
            """, [.text(kind.rawValue), .text(id), .int8(Int64(limit))])
    }

    /// Returns one row with the new revision, or none if something else is stored.
    static func write(
        _ document: Document, expecting expectation: DocumentExpectation, keptFor seconds: Int?
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let key = (kind: sql.bind(document.key.kind.rawValue), id: sql.bind(document.key.id))
        let owner = (
            namespace: sql.bind(.text(document.namespace)), user: sql.bind(.text(document.userID))
        )
        let body = "\(sql.bind(.json(.object(document.body))))::json"
        let expiry =
            seconds.map { "clock_timestamp() + \(sql.bind(max(1, $0))) * interval '1 second'" } ?? "'infinity'"
        let changes = """
            namespace = \(owner.namespace), user_id = \(owner.user), body = \(body), revision = d.revision + 1, \
            expires_at = \(expiry)
            """
        if case .revision(let number) = expectation {
            let text = """
                UPDATE documents d SET \(changes) WHERE d.kind = \(key.kind) AND d.id = \(key.id) \
                AND d.revision = \(sql.bind(number)) AND d.expires_at > clock_timestamp() RETURNING d.revision
                """
            return sql.statement(text)
        }
        let condition = expectation == .absent ? " WHERE d.expires_at <= clock_timestamp()" : ""
        let text = """
            INSERT INTO documents AS d (kind, id, parent, namespace, user_id, body, revision, expires_at) \
            VALUES (\(key.kind), \(key.id), \(sql.bind(document.parent)), \(owner.namespace), \(owner.user), \(body), \
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \(expiry)) \
            ON CONFLICT (kind, id) DO UPDATE SET \(changes)\(condition) RETURNING d.revision
            """
        return sql.statement(text)
    }

    static func delete(_ key: DocumentKey, revision: Int?) -> PostgresStatement {
        PostgresStatement(
            """
            DELETE FROM documents WHERE kind = $1 AND id = $2 AND coalesce(revision = $3, true) \
            AND expires_at > clock_timestamp()
            """,
            [
                .text(key.kind.rawValue), .text(key.id), revision.map { .int8(Int64($0)) } ?? .null(.int8),
            ])
    }

    static func deleteAll(_ kind: DocumentKey.Kind, of parent: String) -> PostgresStatement {
        PostgresStatement(
            "DELETE FROM documents WHERE kind = $1 AND parent = $2", [.text(kind.rawValue), .text(parent)])
    }

    /// Removes some of the expired ones, except locked ones.
    static func sweep(limit: Int) -> PostgresStatement {
        PostgresStatement(
            """
            DELETE FROM documents WHERE (kind, id) = ANY (ARRAY(SELECT (kind, id) FROM documents \
            WHERE expires_at < 'infinity' AND expires_at <= now() ORDER BY expires_at LIMIT $1 \
            FOR UPDATE SKIP LOCKED))
            """, [.int8(Int64(limit))])
    }
}

extension PostgresResult {
    /// The documents of a result whose rows are documents.
    func documents(_ kind: DocumentKey.Kind) throws -> [RevisedDocument] {
        let (id, parent, body) = try (column("id"), column("parent"), column("body"))
        let (namespace, user, revision) = try (column("namespace"), column("user_id"), column("revision"))
        return try rows.map { row in
            RevisedDocument(
                Document(
                    DocumentKey(kind, try row.text(id)), parent: try row.text(parent),
                    namespace: row.isNull(namespace) ? nil : try row.text(namespace),
                    userID: row.isNull(user) ? nil : try row.text(user), body: try row.jsonObject(body)),
                revision: try row.int(revision))
        }
    }
}
