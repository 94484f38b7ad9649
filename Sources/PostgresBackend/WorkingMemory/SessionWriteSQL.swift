import AgentMemory
import PostgresDriver

/// The statements that write sessions, as pure functions. All of them run while the session's row
/// is locked.
enum SessionWriteSQL {
    private static let isAlive = "s.expires_at > clock_timestamp()"

    /// Waits for other writers of the session. Returns the revision and whether the session has not
    /// expired, or no row.
    static func lock(_ key: SessionKey) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = """
            SELECT s.revision, \(isAlive) FROM sessions s WHERE \(SessionSQL.isAt(key, &sql)) FOR NO KEY UPDATE
            """
        return sql.statement(text)
    }

    // MARK: Whole sessions

    /// Removes the session if it has expired, then inserts the new one; the second result is empty
    /// if there is one.
    static func create(
        _ memory: WorkingMemory, writerStamp: Timestamp?, enqueueing jobs: [NewJob] = []
    ) -> [PostgresStatement] {
        var expired = SQLBuilder()
        let isExpired = "\(SessionSQL.isAt(memory.key, &expired)) AND s.expires_at <= clock_timestamp()"
        var sql = SQLBuilder()
        let columns = headColumns(memory, &sql)
        let key = [
            sql.bind(memory.key.sessionID), sql.bind(memory.key.namespace ?? ""), sql.bind(memory.key.userID ?? ""),
        ]
        let count = sql.bind(memory.messages.count)
        let text = """
            WITH changed AS (\
            INSERT INTO sessions (session_id, namespace, user_id, message_count, next_position, revision, \
            \(columns.map(\.name).joined(separator: ", "))) \
            VALUES (\(key.joined(separator: ", ")), \(count), \(count), \
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
            \(columns.map(\.value).joined(separator: ", "))) \
            ON CONFLICT DO NOTHING RETURNING number, revision, last_accessed, message_count), \
            new_messages AS (\(insertMessages(memory.messages, from: "changed c", number: "c.number", position: "m.n - 1", &sql))), \
            new_memories AS (\(insertMemories(memory.memories, from: "changed c", number: "c.number", position: "m.n - 1", &sql))), \
            \(noting(writerStamp, &sql))\(enqueueing(jobs, &sql)) \
            SELECT revision FROM changed
            """
        return [
            expired.statement("DELETE FROM sessions s WHERE \(isExpired)"),
            sql.statement(text),
        ]
    }

    /// The data that a replacement needs: the number and the revision of the session unless it has
    /// expired, then its messages and memories if the revision is the expected one.
    static func opening(_ key: SessionKey, revision: Int) -> [PostgresStatement] {
        var current = SQLBuilder()
        let isCurrent = "\(SessionSQL.isAt(key, &current)) AND \(isAlive)"
        let isExpected: SessionSQL.Condition = { "s.revision = \($0.bind(revision))" }
        return [
            lock(key),
            current.statement("SELECT s.number, s.revision FROM sessions s WHERE \(isCurrent)"),
            SessionSQL.messages(of: key, isExpected), SessionSQL.memories(of: key, isExpected),
        ]
    }

    /// Replaces the session with this number by `memory`. The first result is the new revision.
    static func replace(
        _ number: Int64, with memory: WorkingMemory, messages: RowChanges<SessionMessage>,
        memories: RowChanges<SessionMemory>, writerStamp: Timestamp?
    ) -> [PostgresStatement] {
        var statements = [head(of: number, memory, nextPosition: messages.nextPosition, writerStamp: writerStamp)]
        if !messages.deleted.isEmpty {
            statements.append(delete(messages.deleted, from: "session_messages", of: number))
        }
        if !messages.written.isEmpty {
            var sql = SQLBuilder()
            let session = sql.bind(Int(number))
            let positions = sql.bind(.int8Array(messages.written.map(\.position)))
            let insert = insertMessages(
                messages.written.map(\.row), from: nil, number: session, position: "(\(positions))[m.n]", &sql)
            statements.append(
                sql.statement("\(insert) ON CONFLICT (session_number, position) DO UPDATE SET \(messageAssignments)"))
        }
        if !memories.deleted.isEmpty {
            statements.append(delete(memories.deleted, from: "session_memories", of: number))
        }
        if !memories.written.isEmpty {
            var sql = SQLBuilder()
            let session = sql.bind(Int(number))
            let positions = sql.bind(.int8Array(memories.written.map(\.position)))
            let insert = insertMemories(
                memories.written.map(\.row), from: nil, number: session, position: "(\(positions))[m.n]", &sql)
            statements.append(
                sql.statement("\(insert) ON CONFLICT (session_number, position) DO UPDATE SET \(memoryAssignments)"))
        }
        return statements
    }

    private static func head(
        of number: Int64, _ memory: WorkingMemory, nextPosition: Int64, writerStamp: Timestamp?
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let columns = headColumns(memory, &sql)
        let text = """
            WITH changed AS (\
            UPDATE sessions SET revision = revision + 1, message_count = \(sql.bind(memory.messages.count)), \
            next_position = \(sql.bind(Int(nextPosition))), \
            \(columns.map { "\($0.name) = \($0.value)" }.joined(separator: ", ")) \
            WHERE number = \(sql.bind(Int(number))) RETURNING number, revision, last_accessed, message_count), \
            \(noting(writerStamp, &sql)) \
            SELECT revision FROM changed
            """
        return sql.statement(text)
    }

    /// The columns that a whole write sets.
    private static func headColumns(
        _ memory: WorkingMemory, _ sql: inout SQLBuilder
    ) -> [(name: String, value: String)] {
        let ttl = sql.bind(memory.ttlSeconds.map { .int8(Int64($0)) } ?? .null(.int8))
        return [
            ("data", sql.bind(memory.data.map { .json(.object($0)) } ?? .null(.inferred))),
            ("context", sql.bind(memory.context.map { .json(.string($0)) } ?? .null(.inferred))),
            ("tokens", sql.bind(memory.tokens)),
            ("strategy", sql.bind(memory.strategy.name.rawValue)),
            ("strategy_config", sql.bind(.json(.object(memory.strategy.config)))),
            ("ttl_seconds", ttl), ("expires_at", expiry(ttl)),
            ("created_at", sql.bind(memory.createdAt)), ("updated_at", sql.bind(memory.updatedAt)),
            ("last_accessed", sql.bind(memory.lastAccessed)),
        ]
    }

    /// When a session with this time to live expires if it is written now; far beyond the year 9999
    /// at most.
    private static func expiry(_ ttl: String) -> String {
        """
        CASE WHEN \(ttl) IS NULL THEN 'infinity' \
        ELSE clock_timestamp() + make_interval(secs => least(\(ttl), 2000000000000)) END
        """
    }

    // MARK: Additions

    /// Adds messages. The second result has the columns of ``SessionRows/columns``, or no row if
    /// nothing may be added; then come memories and revisions, and, if repeats are skipped, the
    /// number of conflicting messages.
    ///
    /// The first statement locks the session's row, so that all the others see the same messages.
    static func append(_ append: SessionAppend, to key: SessionKey) -> [PostgresStatement] {
        guard append.skipsRepeats, !append.messages.isEmpty else { return plainAppend(append, to: key) }
        var sql = SQLBuilder()
        let at = sql.bind(append.at)
        let tokens = sql.bind(append.tokens.map { .int8(Int64($0)) } ?? .null(.int8))
        let expected = sql.bind(append.expectedRevision.map { .int8(Int64($0)) } ?? .null(.int8))
        let given = given(append.messages, &sql)
        let known = known(append.messages, in: key, &sql)
        let isRepeat = "NOT EXISTS (SELECT 1 FROM fresh)"
        let text = """
            WITH known AS MATERIALIZED (\(known)), \
            given AS MATERIALIZED (SELECT * FROM \(given)), \
            fresh AS MATERIALIZED (SELECT g.*, row_number() OVER (ORDER BY g.n) AS place FROM given g \
            WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.id = g.id)), \
            added AS MATERIALIZED (SELECT count(*) AS number FROM fresh), \
            allowed AS MATERIALIZED (SELECT s.number FROM sessions s \
            WHERE \(SessionSQL.isAt(key, &sql)) AND \(isAlive) AND coalesce(s.revision = \(expected), true) \
            AND NOT EXISTS (SELECT 1 FROM known k JOIN given g ON g.id = k.id \
            WHERE k.role <> g.role OR k.content <> g.content)), \
            changed AS (\
            UPDATE sessions s SET revision = s.revision + 1, message_count = s.message_count + a.number, \
            next_position = s.next_position + a.number, tokens = coalesce(\(tokens), s.tokens), \
            expires_at = \(expiry("s.ttl_seconds")), updated_at = \(at), \
            last_accessed = greatest(\(at), s.last_accessed + interval '1 microsecond') \
            FROM added a WHERE s.number = (SELECT number FROM allowed) AND a.number > 0 RETURNING s.*), \
            new_messages AS (\
            INSERT INTO session_messages (session_number, \(SessionRows.messageColumns.joined(separator: ", "))) \
            SELECT c.number, c.next_position - a.number + m.place - 1, m.id, m.role, m.content, m.created_at, \
            m.persisted_at, m.extracted FROM changed c, added a, fresh m), \
            \(noting(append.writerStamp, &sql))\(enqueueing(append.jobs, &sql)) \
            SELECT \(SessionRows.selection(SessionRows.columns, of: "c")) FROM changed c \
            UNION ALL SELECT \(SessionRows.selection(SessionRows.columns, of: "s")) FROM sessions s \
            WHERE s.number = (SELECT number FROM allowed) AND \(isRepeat)
            """
        return [
            lock(key), sql.statement(text), SessionSQL.memories(of: key, { _ in "true" }),
            SessionSQL.revisions(of: key, { _ in "true" }), contradictions(append.messages, in: key),
        ]
    }

    private static func plainAppend(_ append: SessionAppend, to key: SessionKey) -> [PostgresStatement] {
        var sql = SQLBuilder()
        let count = sql.bind(append.messages.count)
        let at = sql.bind(append.at)
        let tokens = sql.bind(append.tokens.map { .int8(Int64($0)) } ?? .null(.int8))
        let expected = sql.bind(append.expectedRevision.map { .int8(Int64($0)) } ?? .null(.int8))
        let text = """
            WITH changed AS (\
            UPDATE sessions s SET revision = s.revision + 1, message_count = s.message_count + \(count), \
            next_position = s.next_position + \(count), tokens = coalesce(\(tokens), s.tokens), \
            expires_at = \(expiry("s.ttl_seconds")), updated_at = \(at), \
            last_accessed = greatest(\(at), s.last_accessed + interval '1 microsecond') \
            WHERE \(SessionSQL.isAt(key, &sql)) AND \(isAlive) AND coalesce(s.revision = \(expected), true) \
            RETURNING s.*), \
            new_messages AS (\(insertMessages(
                append.messages, from: "changed c", number: "c.number",
                position: "c.next_position - \(count) + m.n - 1", &sql))), \
            \(noting(append.writerStamp, &sql))\(enqueueing(append.jobs, &sql)) \
            SELECT \(SessionRows.selection(SessionRows.columns, of: "c")) FROM changed c
            """
        let statement = sql.statement(text)
        return [
            lock(key), statement, SessionSQL.memories(of: key, { _ in "true" }),
            SessionSQL.revisions(of: key, { _ in "true" }),
        ]
    }

    /// A query for those of the session's last messages that have one of the ids: id, role,
    /// content; of a repeated id the last.
    private static func known(_ messages: [SessionMessage], in key: SessionKey, _ sql: inout SQLBuilder) -> String {
        let ids = sql.bind(messages.map(\.id))
        return """
            SELECT DISTINCT ON (r.id) r.id, r.role, r.content FROM (\
            SELECT m.id, m.role, m.content, m.position FROM session_messages m \
            WHERE m.session_number = (SELECT s.number FROM sessions s WHERE \(SessionSQL.isAt(key, &sql))) \
            ORDER BY m.session_number DESC, m.position DESC LIMIT \(sql.bind(SessionAppend.repeatWindow))) r \
            WHERE r.id = ANY (\(ids)) ORDER BY r.id, r.position DESC
            """
    }

    /// How many of the messages have the id of one of the session's with other content: one row.
    private static func contradictions(_ messages: [SessionMessage], in key: SessionKey) -> PostgresStatement {
        var sql = SQLBuilder()
        let known = known(messages, in: key, &sql)
        let given = given(messages, &sql)
        return sql.statement(
            """
            SELECT count(*) FROM (\(known)) k JOIN \(given) ON m.id = k.id \
            WHERE k.role <> m.role OR k.content <> m.content
            """)
    }

    /// Removes the session; the second result has a row for it. The first is that of ``lock(_:)``.
    static func delete(_ key: SessionKey, expectedRevision: Int?) -> [PostgresStatement] {
        var sql = SQLBuilder()
        let expected = sql.bind(expectedRevision.map { .int8(Int64($0)) } ?? .null(.int8))
        let text = """
            DELETE FROM sessions s WHERE \(SessionSQL.isAt(key, &sql)) AND \(isAlive) \
            AND coalesce(s.revision = \(expected), true) RETURNING s.number
            """
        return [
            lock(key),
            sql.statement(text),
        ]
    }

    /// Sets the mark of those that have none. Has no effect a second time.
    static func markPersisted(
        memoryIDs: [String], messageIDs: [String], at: Timestamp, in key: SessionKey
    ) -> [PostgresStatement] {
        func mark(_ table: String, _ ids: [String]) -> PostgresStatement? {
            guard !ids.isEmpty else { return nil }
            var sql = SQLBuilder()
            let text = """
                UPDATE \(table) m SET persisted_at = \(sql.bind(at)) FROM sessions s \
                WHERE \(SessionSQL.isAt(key, &sql)) AND \(isAlive) AND m.session_number = s.number \
                AND m.id = ANY (\(sql.bind(ids))) AND m.persisted_at IS NULL
                """
            return sql.statement(text)
        }
        return [lock(key), mark("session_messages", messageIDs), mark("session_memories", memoryIDs)].compactMap { $0 }
    }

    /// Sets the mark of messages that still say what was extracted. Has no effect a second time.
    static func markExtracted(_ messages: [SessionMessage], in key: SessionKey) -> [PostgresStatement] {
        var sql = SQLBuilder()
        let text = """
            UPDATE session_messages m SET discrete_memory_extracted = true FROM sessions s, \
            unnest(\(sql.bind(messages.map(\.id))), \(sql.bind(messages.map(\.role))), \
            \(sql.bind(messages.map(\.content)))) AS x (id, role, content) \
            WHERE \(SessionSQL.isAt(key, &sql)) AND \(isAlive) AND m.session_number = s.number AND m.id = x.id \
            AND m.role = x.role AND m.content = x.content AND NOT m.discrete_memory_extracted
            """
        return [lock(key), sql.statement(text)]
    }

    // MARK: Parts

    private static let messageAssignments = SessionRows.messageColumns.dropFirst()
        .map { "\($0) = excluded.\($0)" }.joined(separator: ", ")

    private static let memoryAssignments =
        "id = excluded.id, body = excluded.body, persisted_at = excluded.persisted_at"

    /// An INSERT of messages `m`, counted from 1 by `m.n`.
    ///
    /// - Parameters:
    ///   - source: what to join them with, such as a table of one row for the session.
    ///   - number: the session's, as an expression.
    ///   - position: as an expression.
    private static func insertMessages(
        _ messages: [SessionMessage], from source: String?, number: String, position: String, _ sql: inout SQLBuilder
    ) -> String {
        let given = given(messages, &sql)
        return """
            INSERT INTO session_messages (session_number, \(SessionRows.messageColumns.joined(separator: ", "))) \
            SELECT \(number), \(position), m.id, m.role, m.content, m.created_at, m.persisted_at, m.extracted \
            FROM \(source.map { "\($0), " } ?? "")\(given)
            """
    }

    /// The messages as a table `m`, counted from 1 by `m.n`.
    private static func given(_ messages: [SessionMessage], _ sql: inout SQLBuilder) -> String {
        let arrays = [
            sql.bind(messages.map(\.id)), sql.bind(messages.map(\.role)), sql.bind(messages.map(\.content)),
            sql.bind(.timestampArray(microseconds: messages.map(\.createdAt.microseconds))),
            sql.bind(.timestampArray(microseconds: messages.map { $0.persistedAt?.microseconds })),
            sql.bind(.boolArray(messages.map(\.discreteMemoryExtracted))),
        ]
        return """
            unnest(\(arrays.joined(separator: ", "))) WITH ORDINALITY \
            AS m (id, role, content, created_at, persisted_at, extracted, n)
            """
    }

    /// As ``insertMessages(_:from:number:position:_:)``.
    private static func insertMemories(
        _ memories: [SessionMemory], from source: String?, number: String, position: String, _ sql: inout SQLBuilder
    ) -> String {
        let arrays = [
            sql.bind(memories.map(\.id)), sql.bind(memories.map { SessionRows.body(of: $0) }),
            sql.bind(.timestampArray(microseconds: memories.map { $0.persistedAt?.microseconds })),
        ]
        return """
            INSERT INTO session_memories (session_number, position, id, body, persisted_at) \
            SELECT \(number), \(position), m.id, m.body::json, m.persisted_at \
            FROM \(source.map { "\($0), " } ?? "")unnest(\(arrays.joined(separator: ", "))) WITH ORDINALITY \
            AS m (id, body, persisted_at, n)
            """
    }

    private static func delete(_ positions: [Int64], from table: String, of number: Int64) -> PostgresStatement {
        PostgresStatement(
            "DELETE FROM \(table) WHERE session_number = $1 AND position = ANY ($2)",
            [.int8(number), .int8Array(positions)])
    }

    /// The part of a WITH that enqueues the jobs if `changed` has a row; empty without jobs.
    private static func enqueueing(_ jobs: [NewJob], _ sql: inout SQLBuilder) -> String {
        jobs.isEmpty ? "" : ", queued AS (\(JobSQL.insert(jobs, from: "changed c", &sql)))"
    }

    /// Parts of a WITH that add the row of `changed` to the history, and shorten it.
    private static func noting(_ writerStamp: Timestamp?, _ sql: inout SQLBuilder) -> String {
        """
        noted AS (INSERT INTO session_revisions (session_number, number, stamp, writer_stamp, message_count) \
        SELECT number, revision, last_accessed, \(sql.bind(.timestamp(writerStamp?.microseconds))), message_count \
        FROM changed), \
        dropped AS (DELETE FROM session_revisions r USING changed c \
        WHERE r.session_number = c.number AND r.number <= c.revision - \(SessionRevision.kept))
        """
    }
}
