public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase: SnapshotDatabase {
    public func withSnapshot<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any RecordSnapshot) async throws -> Value
    ) async throws -> Value {
        // The table of the vectors is known only then.
        try await call { _ in }
        let space = space
        return try await database.withSnapshot { snapshot in
            try await body(PostgresRecordSnapshot(snapshot, of: self.database, selection, vectorsIn: space))
        }
    }
}

/// The records of a snapshot, page by page.
private actor PostgresRecordSnapshot: RecordSnapshot {
    nonisolated let isOfOneMoment = true
    private let snapshot: PostgresDatabase.Snapshot
    private let database: PostgresDatabase
    private let selection: SnapshotSelection
    private let space: VectorSpace
    private var last = ""

    init(
        _ snapshot: PostgresDatabase.Snapshot, of database: PostgresDatabase, _ selection: SnapshotSelection,
        vectorsIn space: VectorSpace
    ) {
        self.snapshot = snapshot
        self.database = database
        self.selection = selection
        self.space = space
    }

    func count() async throws -> Int? {
        let statement = try SnapshotSQL.count(selection)
        return try await mappingErrors {
            try await snapshot.connection.query(statement, deadline: database.pageDeadline).singleRow().int(0)
        }
    }

    func next() async throws -> [SnapshotRecord] {
        let statement = try SnapshotSQL.page(selection, after: last, vectorsIn: space)
        let page = try await mappingErrors {
            let result = try await snapshot.connection.query(statement, deadline: database.pageDeadline)
            let records = try result.records()
            guard selection.hasVectors else { return records.map { SnapshotRecord($0) } }
            let column = try result.column(SnapshotSQL.vector)
            return try zip(records, result.rows).map { record, row in
                SnapshotRecord(record, vector: row.isNull(column) ? nil : try row.vector(column))
            }
        }
        last = page.last?.record.id ?? last
        return page
    }
}

/// The statements that read the records of a snapshot.
enum SnapshotSQL {
    static let vector = "vector"
    private static let pageSize = 500

    static func count(_ selection: SnapshotSelection) throws(MemoryError) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = try conditions(selection, &sql)
        return sql.statement("SELECT count(*) FROM memories m\(FilterSQL.whereClause(conditions))")
    }

    /// - Parameters:
    ///   - id: of the last record of the page before; empty for the first page.
    ///   - space: of the vectors.
    static func page(
        _ selection: SnapshotSelection, after id: String, vectorsIn space: VectorSpace
    ) throws(MemoryError) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = ["m.id > \(sql.bind(id))"] + (try conditions(selection, &sql))
        let (columns, join) =
            selection.hasVectors
            ? (", \(space.storedVector) AS \(vector)", " LEFT JOIN \(space.table) e ON e.\(space.key) = m.\(space.key)")
            : ("", "")
        let text = """
            SELECT \(RecordSQL.selection)\(columns) FROM memories m\(join)\(FilterSQL.whereClause(conditions)) \
            ORDER BY m.id LIMIT \(sql.bind(pageSize))
            """
        return sql.statement(text)
    }

    private static func conditions(
        _ selection: SnapshotSelection, _ sql: inout SQLBuilder
    ) throws(MemoryError) -> [String] {
        FilterSQL.conditions(try selection.filter(), &sql) + [
            "(m.expires_at IS NULL OR m.expires_at > \(sql.bind(selection.moment)))"
        ]
    }
}

extension PostgresRow {
    /// A value of the type `vector`.
    fileprivate func vector(_ column: Int) throws -> [Float] {
        guard let vector = VectorFormat.decode(try rawBytes(column)) else {
            throw PostgresError(.unexpectedResult, "column \(column) of the result is not a vector")
        }
        return vector
    }
}
