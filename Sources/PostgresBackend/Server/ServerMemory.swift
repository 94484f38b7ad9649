import PostgresDriver

/// The memory that the Postgres server is configured to use, and the size of what is stored.
///
/// Postgres is configured for a machine of the smallest size by default: 128 MB for pages, 64 MB to
/// build an index.
struct ServerMemory: Sendable, Equatable {
    /// `shared_buffers`, in bytes.
    let pages: Int
    /// `maintenance_work_mem`, in bytes.
    let maintenance: Int
    /// The memories and their vectors with all indexes, in bytes.
    let stored: Int
    /// The index of the vectors, in bytes.
    let vectorIndex: Int

    /// One row with the members in their order. Reads the sizes of files, not the tables.
    static func statement(_ space: VectorSpace) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT pg_size_bytes(current_setting('shared_buffers')), \
            pg_size_bytes(current_setting('maintenance_work_mem')), \
            (pg_total_relation_size('memories') + pg_total_relation_size('\(space.table)'))::bigint, \
            coalesce(pg_relation_size(to_regclass('\(space.indexName)')), 0)::bigint
            """)
    }

    init(_ row: PostgresRow) throws {
        self.init(
            pages: try row.int(0), maintenance: try row.int(1), stored: try row.int(2), vectorIndex: try row.int(3))
    }

    init(pages: Int, maintenance: Int, stored: Int, vectorIndex: Int) {
        self.pages = pages
        self.maintenance = maintenance
        self.stored = stored
        self.vectorIndex = vectorIndex
    }

    /// What to configure, in one sentence; `nil` if what is stored fits.
    ///
    /// The operating system keeps pages too, so twice `shared_buffers` is still served from memory.
    var advice: String? {
        var parts: [String] = []
        if stored / 2 > pages {
            parts.append(
                "shared_buffers (\(Self.size(pages))) is small for \(Self.size(stored)) of memories and indexes, so searches read from disk; a quarter of the machine's memory is usual"
            )
        }
        if vectorIndex > maintenance {
            parts.append(
                "maintenance_work_mem (\(Self.size(maintenance))) is less than the vector index (\(Self.size(vectorIndex))), so building it again takes many times as long"
            )
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    private static func size(_ bytes: Int) -> String {
        let megabytes = bytes >> 20
        return megabytes < 10 * 1024 ? "\(megabytes) MB" : "\(megabytes / 1024) GB"
    }
}
