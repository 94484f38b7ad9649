import PostgresDriver
import TestSupport
import Testing

@Suite(.tags(.store)) struct QueryTests {
    @Test func `every type comes back as it was sent`() async throws {
        try await TestServer.withPool { pool in
            let text = "a 'quoted' \\ \u{1F600} e\u{301} % _ $1"
            let result = try await pool.query(
                PostgresStatement(
                    """
                    SELECT $1::bool, $2::int4, $3::int8, $4::float8, $5::text, $6::bytea, $7::timestamptz, $8::text[], \
                    $9::text, $10::text[], $11::text
                    """,
                    [
                        .bool(true), .int4(-7), .int8(.min), .float8(-0.1), .text(text), .bytes([0, 255, 1]),
                        .timestamp(microseconds: -62_135_596_800_000_000), .textArray(["", "a,b", "{\"x\"}", "NULL"]),
                        .null(.text), .textArray([]), .text(""),
                    ]), retry: .repeatable, deadline: .soon)
            let row = try result.singleRow()
            #expect(try row.bool(0))
            #expect(try row.int4(1) == -7)
            #expect(try row.int8(2) == .min)
            #expect(try row.float8(3) == -0.1)
            #expect(try Array(row.text(4).utf8) == Array(text.utf8))
            #expect(try row.rawBytes(5) == [0, 255, 1])
            #expect(try row.timestamp(6) == -62_135_596_800_000_000)
            #expect(try row.textArray(7) == ["", "a,b", "{\"x\"}", "NULL"])
            #expect(try row.optionalText(8) == nil)
            #expect(try row.textArray(9) == [])
            #expect(try row.text(10) == "")
        }
    }

    @Test func `arrays with nulls arrive as they were sent`() async throws {
        try await TestServer.withPool { pool in
            let dates: [Int64?] = [nil, -62_135_596_800_000_000, 0, 253_402_300_799_999_999]
            let rows = try await pool.query(
                PostgresStatement(
                    "SELECT day, flag FROM unnest($1::timestamptz[], $2::bool[]) WITH ORDINALITY AS a (day, flag, n) ORDER BY n",
                    [.timestampArray(microseconds: dates), .boolArray([true, false, false, true])]),
                retry: .repeatable, deadline: .soon
            ).rows.map { ($0.isNull(0) ? nil : try $0.timestamp(0), try $0.bool(1)) }
            #expect(rows.map(\.0) == dates)
            #expect(rows.map(\.1) == [true, false, false, true])
            let none = try await pool.query(
                PostgresStatement(
                    "SELECT cardinality($1::timestamptz[]) + cardinality($2::bool[]) = 0",
                    [.timestampArray(microseconds: []), .boolArray([])]), retry: .repeatable, deadline: .soon)
            #expect(try none.singleRow().bool(0))
        }
    }

    @Test func `a wrong shape is a typed error`() async throws {
        try await TestServer.withPool { pool in
            let row = try await pool.query(
                PostgresStatement("SELECT 1::int4, NULL"), retry: .repeatable, deadline: .soon
            ).singleRow()
            #expect(throws: PostgresError.self) { try row.int8(0) }
            #expect(throws: PostgresError.self) { try row.text(1) }
            #expect(throws: PostgresError.self) { try row.int4(9) }
        }
    }

    @Test func `a pipeline is one transaction`() async throws {
        try await TestServer.withPool(connections: 1) { pool in
            _ = try await pool.query(
                PostgresStatement("CREATE TEMPORARY TABLE t (a int4 UNIQUE)"), retry: .repeatable, deadline: .soon)
            func insert(_ value: Int32) -> PostgresStatement {
                PostgresStatement("INSERT INTO t VALUES ($1)", [.int4(value)])
            }
            let error = await #expect(throws: PostgresError.self) {
                try await pool.pipeline([insert(1), insert(2), insert(1)], retry: .repeatable, deadline: .soon)
            }
            #expect(error?.sqlState == "23505")
            let results = try await pool.pipeline(
                (3..<300).map { insert($0) } + [PostgresStatement("SELECT count(*) FROM t")], retry: .repeatable,
                deadline: .soon)
            #expect(results.count == 298)
            #expect(results[0].affectedRows == 1)
            #expect(try results[297].singleRow().int(0) == 297)
        }
    }

    @Test func `answers and requests of many megabytes pass each other`() async throws {
        try await TestServer.withPool { pool in
            let big = String(repeating: "x", count: 4_000_000)
            let results = try await pool.pipeline(
                Array(repeating: PostgresStatement("SELECT $1::text", [.text(big)]), count: 6), retry: .repeatable,
                deadline: .soon)
            #expect(try results.allSatisfy { try $0.singleRow().text(0).utf8.count == 4_000_000 })
        }
    }

    @Test func `an error leaves the connection usable`() async throws {
        try await TestServer.withPool(connections: 1) { pool in
            let pid = PostgresStatement("SELECT pg_backend_pid()::bigint")
            let before = try await pool.query(pid, retry: .repeatable, deadline: .soon).singleRow().int(0)
            let error = await #expect(throws: PostgresError.self) {
                try await pool.query(
                    PostgresStatement("SELECT 1 / $1::int4", [.int4(0)]), retry: .repeatable, deadline: .soon)
            }
            #expect(error?.code == .server)
            #expect(error?.sqlState == "22012")
            await #expect(throws: PostgresError.self) {
                try await pool.query(PostgresStatement("SELEC"), retry: .repeatable, deadline: .soon)
            }
            #expect(try await pool.query(pid, retry: .repeatable, deadline: .soon).singleRow().int(0) == before)
        }
    }

    @Test func `prepared statements stay within their limit`() async throws {
        try await TestServer.withPool(connections: 1, preparedStatements: 3) { pool in
            for number in 0..<10 {
                let result = try await pool.query(
                    PostgresStatement("SELECT \(number)::int4"), retry: .repeatable, deadline: .soon)
                #expect(try result.singleRow().int4(0) == Int32(number))
            }
            let kept = try await pool.query(
                PostgresStatement("SELECT count(*) FROM pg_prepared_statements"), retry: .repeatable, deadline: .soon)
            #expect(try kept.singleRow().int(0) <= 3)
        }
    }

    @Test func `evicted statements leave a transaction its first statement`() async throws {
        try await TestServer.withPool(connections: 1, preparedStatements: 3) { pool in
            for number in 0..<20 {
                let results = try await pool.pipeline(
                    [
                        PostgresStatement("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
                        PostgresStatement("SELECT \(number)::int4"),
                        PostgresStatement("SELECT current_setting('transaction_isolation')"),
                        PostgresStatement("COMMIT"),
                    ], retry: .onlyIfNotExecuted, deadline: .soon)
                #expect(try results[1].singleRow().int4(0) == Int32(number))
                #expect(try results[2].singleRow().text(0) == "repeatable read")
            }
            // Inside a transaction of the caller's too, where nothing may come between.
            try await pool.withConnection(deadline: .soon) { connection in
                try await connection.withTransaction(deadline: .soon) {
                    for number in 0..<10 {
                        try await connection.query(PostgresStatement("SELECT \(number)::int8"), deadline: .soon)
                    }
                }
            }
            let kept = try await pool.query(
                PostgresStatement("SELECT count(*) FROM pg_prepared_statements"), retry: .repeatable, deadline: .soon)
            #expect(try kept.singleRow().int(0) <= 3)
            // The server has forgotten them by itself: what cannot be evicted harms nothing.
            try await pool.withConnection(deadline: .soon) { try await $0.script("DEALLOCATE ALL", deadline: .soon) }
            for number in 30..<35 {
                _ = try await pool.query(PostgresStatement("SELECT \(number)"), retry: .repeatable, deadline: .soon)
            }
        }
    }

    @Test func `conflicts of transactions are repeated where that is safe`() async throws {
        try await TestServer.withPool(connections: 1) { pool in
            try await pool.withConnection(deadline: .soon) {
                try await $0.script(
                    """
                    CREATE TEMPORARY SEQUENCE attempts;
                    CREATE FUNCTION pg_temp.conflicting(until bigint, state text) RETURNS bigint LANGUAGE plpgsql AS $$
                    DECLARE n bigint := nextval('attempts');
                    BEGIN
                        IF n < until THEN RAISE EXCEPTION USING ERRCODE = state; END IF;
                        PERFORM setval('attempts', 1, false);
                        RETURN n;
                    END $$
                    """, deadline: .soon)
            }
            func run(_ until: Int64, _ state: String, _ retry: PostgresPool.Retry) async throws -> Int {
                try await pool.query(
                    PostgresStatement("SELECT pg_temp.conflicting($1, $2)", [.int8(until), .text(state)]), retry: retry,
                    deadline: .soon
                ).singleRow().int(0)
            }
            #expect(try await run(3, "40001", .repeatable) == 3)
            #expect(try await run(4, "40P01", .repeatable) == 4)
            let lasting = await #expect(throws: PostgresError.self) { try await run(9, "40001", .repeatable) }
            #expect(lasting?.sqlState == "40001")
            let once = await #expect(throws: PostgresError.self) { try await run(9, "40001", .onlyIfNotExecuted) }
            #expect(once?.sqlState == "40001")
            #expect(
                try await pool.query(
                    PostgresStatement("SELECT nextval('attempts')"), retry: .repeatable, deadline: .soon
                )
                .singleRow().int(0) == 6)
        }
    }

    @Test func `each statement may have a time of its own`() async throws {
        try await TestServer.withPool(connections: 1) { pool in
            // The connection is there before the time runs.
            _ = try await pool.query(PostgresStatement("SELECT 1"), retry: .repeatable, deadline: .soon)
            let limit = Duration.seconds(1)
            let naps = Array(repeating: PostgresStatement("SELECT pg_sleep(0.15)"), count: 8)
            let start = ContinuousClock.now
            let results = try await pool.pipeline(
                naps, retry: .repeatable, deadline: .now + limit, perStatement: limit)
            #expect(results.count == 8)
            #expect(.now - start > limit)
            let error = await #expect(throws: PostgresError.self) {
                try await pool.pipeline(
                    [naps[0], PostgresStatement("SELECT pg_sleep(30)")], retry: .repeatable,
                    deadline: .now + .milliseconds(300), perStatement: .milliseconds(300))
            }
            #expect(error?.code == .timedOut)
        }
    }

    @Test func `arrays of impossible length are a typed error`() async throws {
        try await TestServer.withPool { pool in
            for count in [Int32.max, -1, .min, 2] {
                var bytes: [UInt8] = []
                for word in [1, 0, 25, count, 1] as [Int32] {
                    bytes += Swift.withUnsafeBytes(of: word.bigEndian) { Array($0) }
                }
                let result = try await pool.query(
                    PostgresStatement("SELECT $1::bytea", [.bytes(bytes)]), retry: .repeatable, deadline: .soon)
                #expect(throws: PostgresError.self) { try result[0].textArray(0) }
                #expect(throws: PostgresError.self) { try result[1] }
                #expect(throws: PostgresError.self) { try result[-1] }
            }
        }
    }

    @Test func `transactions commit and roll back`() async throws {
        struct Stop: Error {}
        try await TestServer.withPool(connections: 1) { pool in
            try await pool.withConnection(deadline: .soon) { connection in
                try await connection.script(
                    "CREATE TEMPORARY TABLE t (a int4); INSERT INTO t VALUES (0)", deadline: .soon)
                do {
                    try await connection.withTransaction(deadline: .soon) {
                        try await connection.query(PostgresStatement("INSERT INTO t VALUES (1)"), deadline: .soon)
                        throw Stop()
                    }
                    Issue.record("the body's error was swallowed")
                } catch is Stop {}
                try await connection.withTransaction(deadline: .soon) {
                    _ = try await connection.query(PostgresStatement("INSERT INTO t VALUES (2)"), deadline: .soon)
                }
                let rows = try await connection.query(PostgresStatement("SELECT a FROM t ORDER BY a"), deadline: .soon)
                #expect(try rows.rows.map { try $0.int4(0) } == [0, 2])
            }
        }
    }
}
