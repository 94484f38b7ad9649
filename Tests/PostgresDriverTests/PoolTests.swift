import PostgresDriver
import TestSupport
import Testing

@Suite(.tags(.store)) struct PoolTests {
    private static let sleep = PostgresStatement("SELECT pg_sleep(30)")
    private static let one = PostgresStatement("SELECT 1::bigint")

    /// How many sessions of this application run a query that holds `mark`.
    private func running(_ mark: String, _ pool: PostgresPool) async throws -> Int {
        try await pool.query(
            PostgresStatement(
                """
                SELECT count(*) FROM pg_stat_activity \
                WHERE state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()
                """,
                [.text("%\(mark)%")]), retry: .repeatable, deadline: .soon
        ).singleRow().int(0)
    }

    @Test func `a passed deadline stops the query on the server too`() async throws {
        try await TestServer.withPool { pool in
            let start = ContinuousClock.now
            let error = await #expect(throws: PostgresError.self) {
                try await pool.query(
                    PostgresStatement("SELECT pg_sleep(30) AS overdue"), retry: .repeatable,
                    deadline: .now + .milliseconds(200))
            }
            #expect(error?.code == .timedOut)
            #expect(.now - start < .seconds(5))
            try await eventually { try await running("AS overdue", pool) == 0 }
            #expect(try await pool.query(Self.one, retry: .repeatable, deadline: .soon).count == 1)
        }
    }

    @Test func `cancelling the task stops the query`() async throws {
        try await TestServer.withPool { pool in
            let task = Task {
                try await pool.query(
                    PostgresStatement("SELECT pg_sleep(30) AS unwanted"), retry: .repeatable, deadline: .soon)
            }
            try await eventually { try await running("AS unwanted", pool) == 1 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await eventually { try await running("AS unwanted", pool) == 0 }
            #expect(try await pool.query(Self.one, retry: .repeatable, deadline: .soon).count == 1)
        }
    }

    @Test func `waiting for a connection is bounded`() async throws {
        try await TestServer.withPool(connections: 1) { pool in
            try await pool.withConnection(deadline: .soon) { _ in
                // The second deadline is over before the wait begins.
                for limit in [Duration.milliseconds(100), .zero] {
                    let error = await #expect(throws: PostgresError.self) {
                        try await pool.query(Self.one, retry: .repeatable, deadline: .now + limit)
                    }
                    #expect(error?.code == .poolTimedOut)
                }
                let waiting = Task { try await pool.query(Self.one, retry: .repeatable, deadline: .soon).count }
                waiting.cancel()
                await #expect(throws: CancellationError.self) { try await waiting.value }
            }
            #expect(try await pool.query(Self.one, retry: .repeatable, deadline: .soon).count == 1)
        }
    }

    @Test func `many tasks share few connections`() async throws {
        try await TestServer.withPool(connections: 3) { pool in
            let sum = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<300 {
                    group.addTask {
                        let result = try await pool.query(
                            PostgresStatement("SELECT $1::int8", [.int8(Int64(number))]), retry: .repeatable,
                            deadline: .soon)
                        return try result.singleRow().int(0)
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(sum == 299 * 150)
        }
    }

    @Test func `a connection that the server ended is replaced`() async throws {
        try await TestServer.withPool(connections: 2) { pool in
            try await TestServer.withPool(connections: 1) { other in
                for _ in 0..<5 {
                    let pid = try await pool.query(
                        PostgresStatement("SELECT pg_backend_pid()::bigint"), retry: .repeatable, deadline: .soon
                    ).singleRow().int(0)
                    _ = try await other.query(
                        PostgresStatement("SELECT pg_terminate_backend($1::int4)", [.int4(Int32(pid))]),
                        retry: .repeatable,
                        deadline: .soon)
                    // A write that was certainly not done is sent again as well.
                    #expect(try await pool.query(Self.one, retry: .onlyIfNotExecuted, deadline: .soon).count == 1)
                }
            }
        }
    }

    @Test func `a connection left in a transaction is not reused`() async throws {
        try await TestServer.withPool(connections: 1) { pool in
            try await pool.withConnection(deadline: .soon) { connection in
                _ = try await connection.query(PostgresStatement("BEGIN"), deadline: .soon)
            }
            let result = try await pool.query(
                PostgresStatement(
                    "SELECT xact_start = state_change FROM pg_stat_activity WHERE pid = pg_backend_pid()"),
                retry: .repeatable, deadline: .soon)
            #expect(result.count == 1)
        }
    }

    @Test func `a server without room fails no call while connections become free`() async throws {
        try await TestServer.withUser(connections: 2) { url in
            try await TestServer.withPool(url: url, connections: 8) { pool in
                let done = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<60 {
                        group.addTask {
                            try await pool.query(
                                PostgresStatement("SELECT 1::bigint FROM pg_sleep(0.005)"), retry: .onlyIfNotExecuted,
                                deadline: .soon
                            ).singleRow().int(0)
                        }
                    }
                    return try await group.reduce(0, +)
                }
                #expect(done == 60)
                // A connection for itself takes the place of one of the pool's.
                let alone = try await pool.withPrivateConnection(deadline: .soon) {
                    try await $0.query(Self.one, deadline: .soon).count
                }
                #expect(alone == 1)
            }
        }
    }

    @Test func `idle connections are given back so that others get them`() async throws {
        try await TestServer.withUser(connections: 2) { url in
            try await TestServer.withPool(url: url, connections: 2, idleLimit: .milliseconds(300)) { first in
                let mark = PostgresStatement("SELECT count(*) FROM pg_stat_activity WHERE usename = current_user")
                let both = try await first.withConnection(deadline: .soon) { _ in
                    try await first.withConnection(deadline: .soon) { connection in
                        try await connection.query(mark, deadline: .soon).singleRow().int(0)
                    }
                }
                #expect(both == 2)
                try await TestServer.withPool(url: url, connections: 2) { second in
                    // There is no room for it before.
                    let found = try await second.query(mark, retry: .repeatable, deadline: .soon).singleRow().int(0)
                    // The last one of the first pool is kept.
                    #expect(found == 2)
                }
            }
        }
    }

    @Test func `a passed deadline of one leaves the others waiting`() async throws {
        try await TestServer.withUser(connections: 1) { url in
            try await TestServer.withPool(url: url, connections: 3) { pool in
                try await pool.withConnection(deadline: .soon) { _ in
                    // The first may be over before the server has answered at all.
                    try await eventually {
                        let error = await #expect(throws: PostgresError.self) {
                            try await pool.query(Self.one, retry: .repeatable, deadline: .now + .milliseconds(100))
                        }
                        #expect(error?.code == .poolTimedOut)
                        return error?.sqlState == "53300" && error?.message.contains("too many connections") == true
                    }
                }
                #expect(try await pool.query(Self.one, retry: .repeatable, deadline: .soon).count == 1)
            }
        }
    }

    @Test func `failures to connect are typed and hide the password`() async throws {
        let refused = "postgresql://someone:hunter2@127.0.0.1:1/none"
        try await TestServer.withPool(url: refused) { pool in
            let error = await #expect(throws: PostgresError.self) {
                try await pool.query(Self.one, retry: .repeatable, deadline: .soon)
            }
            #expect(error?.code == .connectionFailed)
            #expect(error.map { !"\($0)".contains("hunter2") } == true)
        }
        let error = await #expect(throws: PostgresError.self) {
            try await TestServer.withPool(url: "postgresql://someone:hunter2@[bad") { _ in }
        }
        #expect(error?.code == .invalidConfiguration)
        #expect(error.map { !"\($0)".contains("hunter2") } == true)
    }

    @Test func `a closed pool refuses work`() async throws {
        try await TestServer.withPool { pool in
            pool.close()
            let error = await #expect(throws: PostgresError.self) {
                try await pool.query(Self.one, retry: .repeatable, deadline: .soon)
            }
            #expect(error?.code == .closed)
        }
    }
}
