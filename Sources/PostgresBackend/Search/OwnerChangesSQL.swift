import AgentMemory
import PostgresDriver

/// The stamps of rows of `memory_owner_changes`.
struct ChangeStamps: Sendable, Equatable {
    private(set) var values: Set<Int64> = []
    /// All of them combined by exclusive or.
    private(set) var sum: Int64 = 0

    init(_ values: some Sequence<Int64>) {
        for value in values { insert(value) }
    }

    mutating func insert(_ value: Int64) {
        if values.insert(value).inserted { sum ^= value }
    }
}

/// The statements about the codes that a server remembers
/// (`Migrations/0018_note_owner_changes.sql`).
struct OwnerChangesSQL {
    let space: VectorSpace
    let user: String

    private var codes: String { VectorCodes(vectors: space.table).table }

    /// Which changes concern the user.
    private static func isOwn(_ user: String, _ sql: inout SQLBuilder) -> String {
        "owner = ANY (ARRAY[0, hashtextextended(\(sql.bind(user))::text COLLATE \"C\", 0)])"
    }

    /// Rows: the stamp of each change.
    var stamps: PostgresStatement {
        var sql = SQLBuilder()
        let isOwn = Self.isOwn(user, &sql)
        return sql.statement("SELECT stamp FROM memory_owner_changes WHERE \(isOwn)")
    }

    /// Rows: number, id and code of each record that a filter matches; the code may be null.
    func codes(of filter: MemoryFilter) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = FilterSQL.conditions(filter, &sql)
        return sql.statement(
            """
            SELECT m.number, m.id, varbit_send(c.bits) FROM memories m \
            LEFT JOIN \(codes) c ON c.number = m.number\(FilterSQL.whereClause(conditions))
            """)
    }

    /// Rows: the stamp of each change; whether it is a new one that may concern any record, or the
    /// number of a record of a new one, then its id and code if the filter matches.
    func changes(since seen: ChangeStamps, _ filter: MemoryFilter) -> PostgresStatement {
        var sql = SQLBuilder()
        let isNew = "h.stamp <> ALL (\(sql.bind(.int8Array(seen.values.sorted()))))"
        let isOwn = Self.isOwn(user, &sql)
        let conditions = FilterSQL.conditions(filter, &sql)
        return sql.statement(
            """
            SELECT h.stamp, \(isNew) AND h.numbers IS NULL, n.number, m.id, varbit_send(c.bits) \
            FROM memory_owner_changes h \
            LEFT JOIN LATERAL unnest(CASE WHEN \(isNew) THEN h.numbers END) AS n (number) ON true \
            LEFT JOIN memories m ON \((["m.number = n.number"] + conditions).joined(separator: " AND ")) \
            LEFT JOIN \(codes) c ON c.number = m.number WHERE h.\(isOwn)
            """)
    }

    /// Whether there were no changes of a user's records but these.
    static func isUnchanged(_ seen: ChangeStamps, of user: String, _ sql: inout SQLBuilder) -> String {
        let isOwn = isOwn(user, &sql)
        let count = sql.bind(seen.values.count)
        let sum = sql.bind(.int8(seen.sum))
        return """
            (SELECT count(*) = \(count) AND coalesce(bit_xor(stamp), 0) = \(sum) \
            FROM memory_owner_changes WHERE \(isOwn))
            """
    }

    // MARK: Keeping the changes few

    /// One row: how many changes there are, and the bytes of their numbers.
    static let state = PostgresStatement(
        "SELECT count(*), coalesce(sum(pg_column_size(numbers)), 0)::bigint FROM memory_owner_changes")

    /// Puts one change of all users in the place of all changes.
    static let fold = PostgresStatement(
        """
        WITH taken AS (DELETE FROM memory_owner_changes RETURNING owner) \
        INSERT INTO memory_owner_changes (owner) SELECT 0 WHERE EXISTS (SELECT FROM taken)
        """)
}
