import AgentMemory
import PostgresDriver

/// The statements on the table `memory_deletions`, as pure functions. Time is the server's.
///
/// A deletion, and a write that depends on one, holds the locks of its ids meanwhile: then one of
/// the two comes first, and the second sees the effect of the first.
enum DeletionSQL {
    /// Ids (and texts) share a limited number of locks, so that one transaction can hold all of
    /// them, in all connections at once.
    private static let slots: UInt64 = 128

    /// Takes the locks of the ids until the transaction ends. All callers take them in the same
    /// order, before any lock of a row.
    static func lock(ids: [String]) -> PostgresStatement {
        lock("ids", ids.map { id in slot(of: Array(id.utf8)) })
    }

    /// Takes the locks of equal texts in the same scope, as ``lock(ids:)``.
    static func lock(memoryHashes: [String]) -> PostgresStatement {
        lock("texts", memoryHashes.map { hash in slot(of: Array(hash.utf8)) })
    }

    private static func lock(_ what: String, _ slots: [Int64]) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT pg_advisory_xact_lock(hashtext('agent-memory ' || $1::text || ' ' || current_schema()), slot::int) \
            FROM unnest($2) AS slot
            """, [.text(what), .int8Array(Set(slots).sorted())])
    }

    /// A hash that is the same in every process (FNV-1a).
    private static func slot(of bytes: [UInt8]) -> Int64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int64((hash ^ hash >> 32) % slots)
    }

    static func removeNotes(of ids: [String]) -> PostgresStatement {
        PostgresStatement("DELETE FROM memory_deletions WHERE id = ANY ($1)", [.textArray(ids)])
    }

    static func remove(_ ids: [String]) -> PostgresStatement {
        PostgresStatement(
            """
            WITH doomed AS (SELECT number FROM memories WHERE id = ANY ($1) ORDER BY id FOR UPDATE) \
            DELETE FROM memories WHERE number IN (SELECT number FROM doomed)
            """, [.textArray(ids)])
    }

    /// Removes those of the records that are within the scope, and notes no others. Affects as many
    /// rows as records were removed.
    static func remove(_ ids: [String], within scope: AccessScope) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = ["id = ANY (\(sql.bind(ids)))"] + ScopeSQL.conditions(scope, of: "memories", &sql)
        return sql.statement(
            """
            WITH doomed AS (SELECT number FROM memories\(FilterSQL.whereClause(conditions)) ORDER BY id FOR UPDATE), \
            removed AS (DELETE FROM memories WHERE number IN (SELECT number FROM doomed) RETURNING id) \
            INSERT INTO memory_deletions (id, deleted_at) SELECT id, clock_timestamp() FROM removed ORDER BY id \
            ON CONFLICT (id) DO UPDATE SET deleted_at = greatest(memory_deletions.deleted_at, excluded.deleted_at)
            """)
    }

    static func note(_ ids: [String]) -> PostgresStatement {
        PostgresStatement(
            """
            INSERT INTO memory_deletions (id, deleted_at) \
            SELECT id, clock_timestamp() FROM unnest($1) AS id \
            ON CONFLICT (id) DO UPDATE SET deleted_at = greatest(memory_deletions.deleted_at, excluded.deleted_at)
            """, [.textArray(ids.exactlyDistinct().inOrder(ofID: \.self))])
    }

    /// The ids that were deleted at the date or later.
    static func deleted(_ ids: [String], since date: Timestamp) -> PostgresStatement {
        PostgresStatement(
            "SELECT id FROM memory_deletions WHERE id = ANY ($1) AND deleted_at >= $2",
            [.textArray(ids), .timestamp(microseconds: date.microseconds)])
    }

    /// Removes some of the oldest notes.
    static func sweep(limit: Int) -> PostgresStatement {
        PostgresStatement(
            """
            DELETE FROM memory_deletions WHERE id = ANY (ARRAY(SELECT id FROM memory_deletions \
            WHERE deleted_at < now() - make_interval(secs => $1) ORDER BY deleted_at LIMIT $2 FOR UPDATE SKIP LOCKED))
            """, [.float8(Double(DeletionNote.keptSeconds)), .int8(Int64(limit))])
    }
}
