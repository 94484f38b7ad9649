public import AgentMemory
import PostgresDriver

extension PostgresWorkingMemoryStore: SnapshotSessions {
    public func withSessions<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any SessionSnapshot) async throws -> Value
    ) async throws -> Value {
        try await database.call { _ in }
        return try await database.withSnapshot { snapshot in
            try await body(PostgresSessionSnapshot(snapshot, of: self.database, selection))
        }
    }
}

/// The sessions of a snapshot, a few at a time.
private actor PostgresSessionSnapshot: SessionSnapshot {
    /// A session without its messages and memories.
    private struct Head {
        let key: SessionKey
        let row: PostgresRow
        let messageCount: Int
    }

    /// Messages that are read together, unless one session has more.
    private static let messagesPerRead = 2000

    private let snapshot: PostgresDatabase.Snapshot
    private let database: PostgresDatabase
    private let selection: SnapshotSelection
    private var heads: ArraySlice<Head> = []
    private var last: SessionKey?

    init(_ snapshot: PostgresDatabase.Snapshot, of database: PostgresDatabase, _ selection: SnapshotSelection) {
        self.snapshot = snapshot
        self.database = database
        self.selection = selection
    }

    func count() async throws -> Int? {
        let statement = SessionSQL.count(selection)
        return try await mappingErrors {
            try await snapshot.connection.query(statement, deadline: database.pageDeadline).singleRow().int(0)
        }
    }

    func next() async throws -> [WorkingMemory] {
        try await mappingErrors {
            if heads.isEmpty { heads = try await readHeads()[...] }
            var count = 0
            var group: [Head] = []
            while let head = heads.first, group.isEmpty || count + head.messageCount <= Self.messagesPerRead {
                count += head.messageCount
                group.append(head)
                heads.removeFirst()
            }
            guard let final = group.last else { return [] }
            last = final.key
            let statements = group.flatMap {
                [SessionSQL.messages(of: $0.key, { _ in "true" }), SessionSQL.memories(of: $0.key, { _ in "true" })]
            }
            let results = try await snapshot.connection.pipeline(statements, deadline: database.pageDeadline)
            return try group.enumerated().map { index, head in
                try SessionRows.memory(
                    head.row, key: head.key, messages: SessionRows.messages(results[2 * index]).map(\.row),
                    memories: SessionRows.memories(results[2 * index + 1]).map(\.row))
            }
        }
    }

    private func readHeads() async throws -> [Head] {
        let result = try await snapshot.connection.query(
            SessionSQL.heads(selection, after: last), deadline: database.pageDeadline)
        return try result.rows.map { row in
            let key = SessionKey(
                storedSessionID: try row.text(row.column("session_id")),
                namespace: try row.text(row.column("namespace")), userID: try row.text(row.column("user_id")))
            return Head(key: key, row: row, messageCount: try row.int("message_count"))
        }
    }
}

extension SessionSQL {
    private static let headsPerRead = 200

    static func count(_ selection: SnapshotSelection) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = conditions(selection, &sql)
        return sql.statement("SELECT count(*) FROM sessions s\(FilterSQL.whereClause(conditions))")
    }

    /// The sessions after a key, without their messages and memories.
    static func heads(_ selection: SnapshotSelection, after key: SessionKey?) -> PostgresStatement {
        var sql = SQLBuilder()
        var conditions = conditions(selection, &sql)
        if let key {
            let parts = [key.sessionID, key.namespace ?? "", key.userID ?? ""].map { sql.bind($0) }
            conditions.append("(s.session_id, s.namespace, s.user_id) > (\(parts.joined(separator: ", ")))")
        }
        let columns = SessionRows.selection(["session_id", "namespace", "user_id"] + SessionRows.columns, of: "s")
        let text = """
            SELECT \(columns) FROM sessions s\(FilterSQL.whereClause(conditions)) \
            ORDER BY s.session_id, s.namespace, s.user_id LIMIT \(sql.bind(headsPerRead))
            """
        return sql.statement(text)
    }

    private static func conditions(_ selection: SnapshotSelection, _ sql: inout SQLBuilder) -> [String] {
        let parts = [
            ("namespace", selection.namespace), ("user_id", selection.userID), ("session_id", selection.sessionID),
        ]
        var conditions = ["s.expires_at > now()"]
        for (column, value) in parts {
            if let value { conditions.append("s.\(column) = \(sql.bind(value))") }
        }
        return conditions + ScopeSQL.conditions(selection.scope, of: "s", &sql)
    }
}
