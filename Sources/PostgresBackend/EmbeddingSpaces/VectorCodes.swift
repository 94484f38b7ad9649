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
        UPDATE vector_spaces SET has_all_codes = false WHERE table_name = '\(vectors)'; \
        DO $$ DECLARE permission record; BEGIN \
        FOR permission IN SELECT DISTINCT a.privilege_type AS kind, \
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS holder \
        FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = '\(vectors)'::regclass \
        AND a.privilege_type IN ('SELECT', 'INSERT') \
        LOOP EXECUTE format('GRANT %s ON \(table) TO %s', permission.kind, permission.holder); END LOOP; END $$
        """
    }

    /// One row: whether the transaction may make codes, sees all records, and may note that none
    /// is missing; and whether that is noted.
    var state: PostgresStatement {
        PostgresStatement(
            """
            SELECT has_table_privilege('\(table)', 'INSERT') AND has_table_privilege('vector_spaces', 'UPDATE') \
            AND NOT \(SearchSQL.seesOnlyPart), \
            EXISTS (SELECT FROM vector_spaces WHERE table_name = $1 AND has_all_codes)
            """, [.text(vectors)])
    }

    /// Notes that no code is missing (`Migrations/0019_note_complete_codes.sql`).
    var markComplete: PostgresStatement {
        PostgresStatement(
            "UPDATE vector_spaces SET has_all_codes = true WHERE table_name = $1", [.text(vectors)])
    }

    /// Makes the codes that vectors older than the triggers lack, in a window of numbers. Its lock
    /// keeps their owners as they are; a record that is being written is left to a later pass.
    ///
    /// One row: how many codes were missing, and how many are made.
    ///
    /// - Parameter vector: the vector of the alias `e`.
    func fill(from position: Int, vector: String) -> PostgresStatement {
        var sql = SQLBuilder()
        let from = sql.bind(position)
        let end = sql.bind(position.adding(Self.window))
        let missing = """
            FROM memories m JOIN \(vectors) e ON e.number = m.number \
            WHERE m.number >= \(from) AND m.number < \(end) AND m.user_id IS NOT NULL \
            AND NOT EXISTS (SELECT FROM \(table) c WHERE c.number = m.number)
            """
        return sql.statement(
            """
            WITH made AS (INSERT INTO \(table) (number, id, user_id, namespace, bits) \
            SELECT m.number, m.id, m.user_id, m.namespace, vector_code(\(vector)) \(missing) \
            ORDER BY m.number FOR SHARE OF m SKIP LOCKED ON CONFLICT (number) DO NOTHING RETURNING number) \
            SELECT (SELECT count(*) \(missing)), (SELECT count(*) FROM made)
            """)
    }
}

extension PostgresMemoryDatabase {
    /// Makes the codes of the vectors that are older than their table, once in the life of a store.
    /// A user who may not do so leaves them to a server of the schema's owner.
    func completeCodes() async throws {
        let space = space
        guard space.isCoded, !codesAreComplete.load(ordering: .relaxed) else { return }
        let codes = VectorCodes(vectors: space.table)
        let state = try await database.query(
            codes.state, retry: .repeatable, deadline: database.deadline
        ).singleRow()
        guard try state.bool(0), try !state.bool(1) else {
            return codesAreComplete.store(true, ordering: .relaxed)
        }
        var (missing, made) = (0, 0)
        repeat {
            (missing, made) = try await fillCodes(codes, space)
            if made > 0 { logger.info("made the codes of older vectors", metadata: ["count": "\(made)"]) }
        } while made > 0
        // Those of records that were being written are made the next time.
        guard missing == 0 else { return }
        _ = try await database.query(codes.markComplete, retry: .repeatable, deadline: database.deadline)
        codesAreComplete.store(true, ordering: .relaxed)
    }

    /// One pass through all vectors.
    private func fillCodes(_ codes: VectorCodes, _ space: VectorSpace) async throws -> (missing: Int, made: Int) {
        let last = try await database.query(
            PostgresStatement("SELECT coalesce(max(number), 0) FROM \(space.table)"), retry: .repeatable,
            deadline: database.deadline
        ).singleRow().int(0)
        var (missing, made) = (0, 0)
        for position in stride(from: 0, through: last, by: VectorCodes.window) {
            let counts = try await database.query(
                codes.fill(from: position, vector: space.storedVector), retry: .repeatable,
                deadline: database.deadline
            ).singleRow()
            missing += try counts.int(0)
            made += try counts.int(1)
        }
        return (missing, made)
    }
}
