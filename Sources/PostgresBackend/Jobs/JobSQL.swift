import AgentMemory
import PostgresDriver

/// The statements on the table `jobs`, as pure functions. Time is the server's.
enum JobSQL {
    static func enqueue(_ jobs: [NewJob]) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = insert(jobs, from: nil, &sql)
        return sql.statement("\(text) RETURNING number")
    }

    /// As ``enqueue(_:)``, without the numbers: a caller with limits may add jobs, not read them.
    static func add(_ jobs: [NewJob]) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = insert(jobs, from: nil, &sql)
        return sql.statement(text)
    }

    /// An INSERT of the jobs, whose numbers rise with their order.
    ///
    /// - Parameter source: a table; no job is inserted if it is empty, and it has no more than one
    ///   row.
    static func insert(_ jobs: [NewJob], from source: String?, _ sql: inout SQLBuilder) -> String {
        let kinds = sql.bind(jobs.map(\.kind))
        let payloads = sql.bind(jobs.map { JSONValue.object($0.payload).jsonText })
        let delays = sql.bind(.int8Array(jobs.map { $0.delay.wholeMicroseconds }))
        return """
            INSERT INTO jobs (kind, payload, enqueued_at, run_at, attempts, is_dead) \
            SELECT j.kind, j.payload::json, now(), now() + \(interval("j.delay")), 0, false \
            FROM \(source.map { "\($0), " } ?? "")\
            unnest(\(kinds), \(payloads), \(delays)) WITH ORDINALITY AS j (kind, payload, delay, n) ORDER BY j.n
            """
    }

    /// Takes due jobs that no other worker is taking: number, kind, payload, attempts, enqueued_at,
    /// token, and when each was due.
    static func lease(kinds: [String], limit: Int, for duration: Duration) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = """
            WITH due AS MATERIALIZED (SELECT number, run_at FROM jobs \
            WHERE NOT is_dead AND run_at <= now() AND kind = ANY (\(sql.bind(kinds))) \
            ORDER BY run_at, number LIMIT \(sql.bind(max(0, limit))) FOR UPDATE SKIP LOCKED) \
            UPDATE jobs j SET run_at = now() + \(interval(sql.bind(duration))), attempts = j.attempts + 1, \
            lease_token = gen_random_uuid() FROM due WHERE j.number = due.number \
            RETURNING j.number, j.kind, j.payload, j.attempts, j.enqueued_at, j.lease_token::text, due.run_at
            """
        return sql.statement(text)
    }

    /// One row: the seconds until a job of any kind is due, at most ``QuietTime/longestRest``.
    static let wait = PostgresStatement(
        """
        SELECT greatest(0, least(\(QuietTime.longestRest.components.seconds), \
        extract(epoch FROM min(run_at) - now())))::float8 FROM jobs WHERE NOT is_dead
        """)

    static func extend(_ job: Lease, for duration: Duration) -> PostgresStatement {
        var sql = SQLBuilder()
        let end = "clock_timestamp() + \(interval(sql.bind(duration)))"
        let text = "UPDATE jobs SET run_at = \(end) WHERE \(holds(job, &sql))"
        return sql.statement(text)
    }

    static func complete(_ job: Lease) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = "DELETE FROM jobs WHERE \(holds(job, &sql))"
        return sql.statement(text)
    }

    static func retry(_ job: Lease, after delay: Duration, reason: String) -> PostgresStatement {
        var sql = SQLBuilder()
        let next = "clock_timestamp() + \(interval(sql.bind(delay)))"
        let text = """
            UPDATE jobs SET run_at = \(next), lease_token = NULL, reason = \(sql.bind(storable(reason))) \
            WHERE \(holds(job, &sql))
            """
        return sql.statement(text)
    }

    static func bury(_ job: Lease, reason: String) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = """
            UPDATE jobs SET is_dead = true, lease_token = NULL, reason = \(sql.bind(storable(reason))) \
            WHERE \(holds(job, &sql))
            """
        return sql.statement(text)
    }

    /// One row: waiting, leased, dead.
    static let counts = PostgresStatement(
        """
        SELECT count(*) FILTER (WHERE \(condition(.waiting))) AS waiting, \
        count(*) FILTER (WHERE \(condition(.leased))) AS leased, \
        count(*) FILTER (WHERE \(condition(.dead))) AS dead FROM jobs
        """)

    /// The page, and the number of all in one row, as of one moment.
    static func list(_ state: JobState, page: PageRequest) -> [PostgresStatement] {
        var sql = SQLBuilder()
        let condition = condition(state)
        let text = """
            SELECT number, kind, attempts, enqueued_at, reason FROM jobs WHERE \(condition) \
            ORDER BY enqueued_at, number LIMIT \(sql.bind(page.limit)) OFFSET \(sql.bind(page.offset))
            """
        return [
            PostgresStatement("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
            sql.statement(text),
            PostgresStatement("SELECT count(*) FROM jobs WHERE \(condition)"),
            PostgresStatement("COMMIT"),
        ]
    }

    /// - Parameter numbers: `nil` for all.
    static func requeue(_ numbers: [Int64]?) -> PostgresStatement {
        var sql = SQLBuilder()
        let which = numbers.map { " AND number = ANY (\(sql.bind(.int8Array($0))))" } ?? ""
        let text = """
            UPDATE jobs SET is_dead = false, attempts = 0, reason = NULL, run_at = now() WHERE is_dead\(which)
            """
        return sql.statement(text)
    }

    static let time = PostgresStatement("SELECT clock_timestamp()")

    /// The jobs after a number, whatever their state: number, kind, payload and when they were
    /// enqueued.
    static func all(after number: Int64, limit: Int) -> PostgresStatement {
        PostgresStatement(
            "SELECT number, kind, payload, enqueued_at FROM jobs WHERE number > $1 ORDER BY number LIMIT $2",
            [.int8(number), .int8(Int64(limit))])
    }

    /// Whether a worker holds a job.
    static func isLeased(_ number: Int64) -> PostgresStatement {
        PostgresStatement(
            "SELECT EXISTS (SELECT FROM jobs WHERE number = $1 AND \(condition(.leased)))", [.int8(number)])
    }

    /// Removes a job, unless a worker holds it.
    static func remove(_ number: Int64) -> PostgresStatement {
        PostgresStatement("DELETE FROM jobs WHERE number = $1 AND NOT (\(condition(.leased)))", [.int8(number)])
    }

    /// Gives a job another payload, unless a worker holds it.
    static func replacePayload(of number: Int64, by payload: JSONObject) -> PostgresStatement {
        PostgresStatement(
            "UPDATE jobs SET payload = $2::json WHERE number = $1 AND NOT (\(condition(.leased)))",
            [.int8(number), .json(.object(payload))])
    }

    /// The value that distinguishes one lease from all others.
    struct Lease {
        let number: Int64
        let token: String
    }

    /// Whether the lease is the job's last one: it may have ended, but no other worker took the
    /// job.
    private static func holds(_ lease: Lease, _ sql: inout SQLBuilder) -> String {
        "number = \(sql.bind(Int(lease.number))) AND lease_token::text = \(sql.bind(lease.token)) AND NOT is_dead"
    }

    private static func condition(_ state: JobState) -> String {
        switch state {
        case .waiting: "NOT is_dead AND (lease_token IS NULL OR run_at <= now())"
        case .leased: "NOT is_dead AND lease_token IS NOT NULL AND run_at > now()"
        case .dead: "is_dead"
        }
    }

    /// A number of microseconds as an interval, limited to a hundred years.
    private static func interval(_ microseconds: String) -> String {
        "\(microseconds) * interval '1 microsecond'"
    }

    /// A reason without characters that a column of type `text` refuses.
    private static func storable(_ reason: String) -> String {
        String(String.UnicodeScalarView(reason.unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : $0 }))
    }
}

extension Duration {
    /// Microseconds, rounded down; a thousand years at most, 0 at least.
    fileprivate var wholeMicroseconds: Int64 {
        let most: Duration = .seconds(31_557_600_000)
        let (seconds, attoseconds) = min(max(self, .zero), most).components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}

extension SQLBuilder {
    /// In microseconds.
    fileprivate mutating func bind(_ duration: Duration) -> String { bind(.int8(duration.wholeMicroseconds)) }
}
