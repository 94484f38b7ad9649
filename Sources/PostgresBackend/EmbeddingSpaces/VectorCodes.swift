import AgentMemory
import Logging
import PostgresDriver
import Synchronization

/// The codes of the vectors in one table (`Migrations/0008_create_vector_codes.sql`).
struct VectorCodes: Sendable {
    /// The table of the vectors.
    let vectors: String

    var table: String { "\(vectors)_codes" }

    /// How many bits a dimension has.
    static let planes = 3

    /// The bits of a vector, as the function `vector_code` of the migration computes them, except
    /// where rounding decides: the first dimension in the highest bit of the first byte.
    static func code(of vector: [Float]) -> [UInt8] {
        let length = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let threshold = Float(0.7 / Double(vector.count).squareRoot())
        var bits = [UInt8](repeating: 0, count: (planes * vector.count + 7) / 8)
        for (dimension, value) in vector.enumerated() {
            let direction = length > 0 ? Float(Double(value) / length) : 0
            for (plane, shifted) in [direction - threshold, direction, direction + threshold].enumerated()
            where shifted > 0 {
                let bit = plane * vector.count + dimension
                bits[bit / 8] |= 0x80 >> UInt8(bit % 8)
            }
        }
        return bits
    }

    /// How many numbers one step of ``fill`` covers: it must end within the time of a call.
    static let window = 1000

    /// Creates the table and the triggers that fill it, unless they exist. The caller holds the
    /// lock `vectorSpaces`.
    ///
    /// - Returns: whether the user may read the codes. A user who may not create them searches
    ///   without them.
    func ensure(on connection: PostgresConnection, logger: Logger) async throws -> Bool {
        let deadline = SchemaConnection.deadline()
        let state = PostgresStatement(
            """
            SELECT to_regclass('\(table)') IS NOT NULL, \
            coalesce(has_table_privilege(to_regclass('\(table)'), 'SELECT'), false)
            """)
        let existing = try await connection.query(state, deadline: deadline).singleRow()
        if try existing.bool(0) { return try existing.bool(1) }
        do {
            try await connection.withoutBlocking {
                try await connection.script(definition, deadline: deadline)
            }
        } catch let error as PostgresError where error.sqlState == "42501" {
            logger.notice(
                "searches of one user read all vectors: `agent-memory migrate up` of the schema's owner creates their codes"
            )
            return false
        }
        return true
    }

    /// An entry of the index holds all that a search reads. The users who may read or insert
    /// vectors may do so with codes.
    private var definition: String {
        """
        CREATE TABLE \(table) (number bigint PRIMARY KEY REFERENCES memories ON DELETE CASCADE, \
        id text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL, namespace text COLLATE "C", \
        bits varbit NOT NULL); \
        ALTER TABLE \(table) ALTER COLUMN bits SET STORAGE PLAIN; \
        CREATE INDEX \(table)_owner ON \(table) (user_id, namespace) INCLUDE (number, id, bits); \
        CREATE TRIGGER \(vectors)_inserted AFTER INSERT ON \(vectors) REFERENCING NEW TABLE AS written \
        FOR EACH STATEMENT EXECUTE FUNCTION keep_vector_codes(); \
        CREATE TRIGGER \(vectors)_updated AFTER UPDATE ON \(vectors) REFERENCING NEW TABLE AS written \
        FOR EACH STATEMENT EXECUTE FUNCTION keep_vector_codes(); \
        DO $$ DECLARE permission record; BEGIN \
        FOR permission IN SELECT DISTINCT a.privilege_type AS kind, \
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS holder \
        FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = '\(vectors)'::regclass \
        AND a.privilege_type IN ('SELECT', 'INSERT') \
        LOOP EXECUTE format('GRANT %s ON \(table) TO %s', permission.kind, permission.holder); END LOOP; END $$
        """
    }

    /// Makes the codes that vectors older than the triggers lack, in a window of numbers. Its lock
    /// keeps their owners as they are; a record that is being written is left to a later pass.
    ///
    /// - Parameter vector: the vector of the alias `e`.
    func fill(from position: Int, vector: String) -> PostgresStatement {
        var sql = SQLBuilder()
        let from = sql.bind(position)
        let end = sql.bind(position.adding(Self.window))
        return sql.statement(
            """
            INSERT INTO \(table) (number, id, user_id, namespace, bits) \
            SELECT m.number, m.id, m.user_id, m.namespace, vector_code(\(vector)) \
            FROM memories m JOIN \(vectors) e ON e.number = m.number \
            WHERE m.number >= \(from) AND m.number < \(end) AND m.user_id IS NOT NULL \
            AND NOT EXISTS (SELECT FROM \(table) c WHERE c.number = m.number) \
            ORDER BY m.number FOR SHARE OF m SKIP LOCKED ON CONFLICT (number) DO NOTHING
            """)
    }
}

extension PostgresMemoryDatabase {
    /// Makes the codes of the vectors that are older than their table, once in the life of a
    /// server. A user who may not do so leaves them to a server of the schema's owner.
    func completeCodes() async throws {
        let space = space
        guard space.isCoded, !codesAreComplete.load(ordering: .relaxed) else { return }
        let codes = VectorCodes(vectors: space.table)
        let mayInsert = try await database.query(
            PostgresStatement("SELECT has_table_privilege('\(codes.table)', 'INSERT')"), retry: .repeatable,
            deadline: database.deadline
        ).singleRow().bool(0)
        guard mayInsert else { return codesAreComplete.store(true, ordering: .relaxed) }
        var made = 0
        // Again after a pass that made some: it may have left out records that were being written.
        while true {
            let before = made
            let last = try await database.query(
                PostgresStatement("SELECT coalesce(max(number), 0) FROM \(space.table)"), retry: .repeatable,
                deadline: database.deadline
            ).singleRow().int(0)
            for position in stride(from: 0, through: last, by: VectorCodes.window) {
                made += try await database.query(
                    codes.fill(from: position, vector: space.storedVector), retry: .repeatable,
                    deadline: database.deadline
                ).affectedRows
            }
            if made == before { break }
        }
        codesAreComplete.store(true, ordering: .relaxed)
        if made > 0 { logger.info("made the codes of older vectors", metadata: ["count": "\(made)"]) }
    }
}
