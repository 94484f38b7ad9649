import CPostgres

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One connection of libpq in non-blocking mode: sends pipelines and collects their results, on the
/// thread that owns it.
struct LibpqConnection: ~Copyable {
    /// Why waiting ended early.
    enum Interruption: Error {
        case cancelled, timedOut, closed
    }

    enum Failure: Error {
        case interrupted(Interruption)
        case postgres(PostgresError)
    }

    private let connection: OpaquePointer
    private let secret: String?
    private var prepared: PreparedStatements
    private var sentAnything = false
    /// What each transaction begins with, if it may run in another session than the one before:
    /// then no statement is prepared under a name. `nil` if the session is this connection's own.
    private var transactionSetup: [EncodedStatement]?

    /// Takes ownership of the connection that ``connect(_:_:wakeUp:interruption:)`` made.
    init(owning connection: OpaquePointer, secret: String?, preparedStatementLimit: Int) {
        self.connection = connection
        self.secret = secret
        prepared = PreparedStatements(limit: preparedStatementLimit)
    }

    deinit {
        PQfinish(connection)
    }

    /// Asks the server over a second connection to cancel the current query, until it responds, for
    /// two seconds at most; blocks. A request that arrives before its query has no effect, so one
    /// alone would not be enough.
    func cancelQuery() {
        guard let cancel = PQgetCancel(connection) else { return }
        defer { PQfreeCancel(cancel) }
        for _ in 0..<10 {
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                _ = PQcancel(cancel, buffer.baseAddress, 256)
            }
            var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
            #if canImport(Glibc)
                let ready = Glibc.poll(&descriptor, 1, 200)
            #elseif canImport(Musl)
                let ready = Musl.poll(&descriptor, 1, 200)
            #else
                let ready = Darwin.poll(&descriptor, 1, 200)
            #endif
            if ready != 0 { return }
        }
    }

    /// Lets each transaction run in any session of the server.
    mutating func shareSessions(setup: [EncodedStatement]) {
        transactionSetup = setup
    }

    var isInTransaction: Bool { PQtransactionStatus(connection) != PQTRANS_IDLE }

    /// Sleeps until there is work. `false` if the connection broke meanwhile.
    func idle(wakeUp: borrowing WakeUp) -> Bool {
        guard Self.poll(connection, wakeUp, events: POLLIN, timeout: -1) else { return true }
        return PQconsumeInput(connection) == 1 && PQstatus(connection) == CONNECTION_OK
    }

    /// Sends all statements at once and waits for all results. Without a transaction around them
    /// they form one.
    ///
    /// - Parameter interruption: called each time the thread is woken up.
    mutating func pipeline(
        _ statements: [EncodedStatement], deadline: Deadline, wakeUp: borrowing WakeUp,
        interruption: () -> Interruption?
    ) throws(Failure) -> [PostgresResult] {
        guard let transactionSetup, !isInTransaction else {
            return try send(statements, deadline: deadline, wakeUp: wakeUp, interruption: interruption)
        }
        // A transaction's properties must be said before its first query.
        let position = statements.first?.sql.hasPrefix("BEGIN") == true ? 1 : 0
        var results = try send(
            statements[..<position] + transactionSetup + statements[position...], deadline: deadline, wakeUp: wakeUp,
            interruption: interruption)
        results.removeSubrange(position..<position + transactionSetup.count)
        return results
    }

    private mutating func send(
        _ statements: [EncodedStatement], deadline: Deadline, wakeUp: borrowing WakeUp,
        interruption: () -> Interruption?
    ) throws(Failure) -> [PostgresResult] {
        enum Step {
            case prepare(sql: String, name: String)
            case execute
        }
        sentAnything = false
        let alone = !isInTransaction
        var steps: [Step] = []
        var fresh: [String: String] = [:]
        let isUnnamed = transactionSetup != nil
        let needed = isUnnamed ? [] : Set(statements.map(\.sql))
        let unknown = needed.count { prepared.name(for: $0) == nil }
        // Each in a transaction of its own, because statements such as BEGIN ISOLATION LEVEL must
        // be the first of a transaction. Inside a transaction of the caller nothing is evicted; the
        // next call outside of one does it.
        let evicted = unknown > 0 && alone ? prepared.makeRoom(for: unknown, sparing: needed) : []
        for name in evicted {
            try check(PQsendQueryParams(connection, "DEALLOCATE \(name)", 0, nil, nil, nil, nil, 1))
            try check(PQpipelineSync(connection))
        }
        for statement in statements {
            let name: String?
            if isUnnamed {
                name = nil
            } else if let known = prepared.name(for: statement.sql) ?? fresh[statement.sql] {
                name = known
            } else {
                let new = prepared.newName()
                fresh[statement.sql] = new
                try check(PQsendPrepare(connection, new, statement.sql, Int32(statement.types.count), statement.types))
                steps.append(.prepare(sql: statement.sql, name: new))
                name = new
            }
            try check(send(statement, as: name))
            steps.append(.execute)
            // Otherwise the server holds its results back until it has many, or all.
            if deadline.perStatement != nil { try check(PQsendFlushRequest(connection)) }
        }
        try check(PQpipelineSync(connection))
        sentAnything = true

        var deadline = deadline
        for _ in evicted { try skipToSync(deadline.instant, wakeUp, interruption) }
        var results: [PostgresResult] = []
        results.reserveCapacity(statements.count)
        var failure: PostgresError?
        for step in steps {
            while let pointer = try nextResult(deadline.instant, wakeUp, interruption) {
                switch PQresultStatus(pointer) {
                case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
                    switch step {
                    case .execute:
                        results.append(PostgresResult(owning: pointer))
                        deadline.renew()
                    case .prepare(let sql, let name):
                        prepared.add(sql, name: name)
                        PQclear(pointer)
                    }
                case PGRES_PIPELINE_ABORTED:
                    PQclear(pointer)
                default:
                    let error = serverError(pointer, alone: alone)
                    PQclear(pointer)
                    if failure == nil { failure = error }
                    // The server has a different definition of this statement.
                    if error.tellsStaleStatement { needed.forEach { prepared.remove($0) } }
                    if error.endsSession { throw .postgres(error) }
                }
            }
        }
        guard let sync = try nextResult(deadline.instant, wakeUp, interruption) else { throw .postgres(lost()) }
        let synchronised = PQresultStatus(sync) == PGRES_PIPELINE_SYNC
        PQclear(sync)
        if let failure { throw .postgres(failure) }
        // An error at the commit that the synchronisation makes arrives instead of its result.
        guard synchronised, results.count == statements.count else { throw .postgres(lost()) }
        return results
    }

    /// Reads up to the end of a transaction whose outcome does not matter.
    private func skipToSync(
        _ deadline: ContinuousClock.Instant, _ wakeUp: borrowing WakeUp, _ interruption: () -> Interruption?
    ) throws(Failure) {
        while true {
            // The results of a statement end with a null pointer.
            guard let pointer = try nextResult(deadline, wakeUp, interruption) else { continue }
            defer { PQclear(pointer) }
            switch PQresultStatus(pointer) {
            case PGRES_PIPELINE_SYNC: return
            case PGRES_FATAL_ERROR:
                let error = serverError(pointer, alone: true)
                if error.endsSession { throw .postgres(error) }
            default: break
            }
        }
    }

    /// The process that serves this connection now. Uses the simple protocol, which leaves no
    /// prepared statement behind.
    mutating func backendPID(
        deadline: ContinuousClock.Instant, wakeUp: borrowing WakeUp, interruption: () -> Interruption?
    ) throws(Failure) -> Int32? {
        let results = try script(
            "SELECT pg_backend_pid()", deadline: deadline, wakeUp: wakeUp, interruption: interruption)
        guard let result = results.first, result.count == 1, result.columnCount == 1 else { return nil }
        return result.withBytes(0, 0) { Int32(String(decoding: $0, as: UTF8.self)) }
    }

    /// The process that served the connection at the start, as announced by the server, or by a
    /// pooler in its place.
    var announcedPID: Int32 { PQbackendPID(connection) }

    /// Runs a text of one or several statements without parameters, which do not get the settings
    /// of a transaction; the results are in the text format.
    @discardableResult
    mutating func script(
        _ sql: String, deadline: ContinuousClock.Instant, wakeUp: borrowing WakeUp, interruption: () -> Interruption?
    ) throws(Failure) -> [PostgresResult] {
        sentAnything = false
        try check(PQexitPipelineMode(connection))
        try check(PQsendQuery(connection, sql))
        sentAnything = true
        var results: [PostgresResult] = []
        var failure: PostgresError?
        while let pointer = try nextResult(deadline, wakeUp, interruption) {
            switch PQresultStatus(pointer) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: results.append(PostgresResult(owning: pointer))
            default:
                failure = failure ?? serverError(pointer, alone: false)
                PQclear(pointer)
            }
        }
        try check(PQenterPipelineMode(connection))
        if let failure { throw .postgres(failure) }
        return results
    }

    /// - Parameter name: that of the prepared statement; `nil` sends the text.
    private func send(_ statement: EncodedStatement, as name: String?) -> Int32 {
        statement.bytes.withUnsafeBytes { buffer in
            // An empty value must differ from a null one, so its pointer is not null.
            let base = buffer.baseAddress ?? UnsafeRawPointer(bitPattern: 16)!
            let values = statement.ranges.map { range in
                range.map { (base + $0.lowerBound).assumingMemoryBound(to: CChar.self) }
            }
            let lengths = statement.ranges.map { Int32($0?.count ?? 0) }
            let formats = [Int32](repeating: 1, count: values.count)
            let count = Int32(values.count)
            guard let name else {
                return PQsendQueryParams(
                    connection, statement.sql, count, statement.types, values, lengths, formats, 1)
            }
            return PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1)
        }
    }

    /// The next result; `nil` at the end of a statement's results.
    private func nextResult(
        _ deadline: ContinuousClock.Instant, _ wakeUp: borrowing WakeUp, _ interruption: () -> Interruption?
    ) throws(Failure) -> OpaquePointer? {
        var unsent = PQflush(connection)
        while unsent == 1 || PQisBusy(connection) == 1 {
            guard unsent >= 0 else { throw .postgres(lost()) }
            let left = deadline - .now
            guard left > .zero else { throw .interrupted(.timedOut) }
            let events = unsent == 1 ? POLLIN | POLLOUT : POLLIN
            let ready = Self.poll(connection, wakeUp, events: events, timeout: left.pollMilliseconds)
            if let interruption = interruption() { throw .interrupted(interruption) }
            if ready {
                guard PQconsumeInput(connection) == 1 else { throw .postgres(lost()) }
            }
            if unsent == 1 { unsent = PQflush(connection) }
        }
        guard unsent >= 0 else { throw .postgres(lost()) }
        let result = PQgetResult(connection)
        if result == nil, PQstatus(connection) != CONNECTION_OK { throw .postgres(lost()) }
        return result
    }

    /// Whether the socket is ready; otherwise the thread was woken up or the time is over.
    static func poll(
        _ connection: OpaquePointer, _ wakeUp: borrowing WakeUp, events: Int32, timeout: Int32
    ) -> Bool {
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 2) { descriptors in
            descriptors[0] = pollfd(fd: PQsocket(connection), events: Int16(events), revents: 0)
            descriptors[1] = pollfd(fd: wakeUp.readEnd, events: Int16(POLLIN), revents: 0)
            #if canImport(Glibc)
                _ = Glibc.poll(descriptors.baseAddress, 2, timeout)
            #elseif canImport(Musl)
                _ = Musl.poll(descriptors.baseAddress, 2, timeout)
            #else
                _ = Darwin.poll(descriptors.baseAddress, 2, timeout)
            #endif
            if descriptors[1].revents != 0 { wakeUp.drain() }
            return descriptors[0].revents != 0
        }
    }

    private func check(_ outcome: Int32) throws(Failure) {
        guard outcome == 1 else { throw .postgres(lost()) }
    }

    private func lost() -> PostgresError {
        PostgresError(
            .connectionLost, "the connection to PostgreSQL broke",
            underlying: Self.message(of: connection, without: secret),
            provablyNotExecuted: !sentAnything)
    }

    /// - Parameter alone: the pipeline was a transaction of its own, so the end of the session also
    ///   rolled it back.
    private func serverError(_ result: OpaquePointer, alone: Bool) -> PostgresError {
        func field(_ code: Unicode.Scalar) -> String? {
            PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
        }
        // libpq makes results of its own, without a state, when the connection is lost.
        guard let state = field("C") else { return lost() }
        // Of the server's texts only the first line is kept, and no text of class 22 (data
        // exceptions), because it quotes values.
        let text = state.hasPrefix("22") ? nil : field("M")
        return PostgresError(
            .server, "PostgreSQL refused the statement", sqlState: state, underlying: text,
            // A transaction on a server that refuses writes was rolled back as a whole.
            provablyNotExecuted: alone && state.hasPrefix("57P") || state == "25006")
    }

    private static func message(of connection: OpaquePointer, without secret: String?) -> String? {
        guard let pointer = PQerrorMessage(connection) else { return nil }
        var text = String(cString: pointer)
        while text.last?.isNewline == true { text.removeLast() }
        guard let secret else { return text.isEmpty ? nil : text }
        return text.isEmpty
            ? nil : text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "***")
    }
}
