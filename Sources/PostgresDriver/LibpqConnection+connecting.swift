import CPostgres

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension LibpqConnection {
    /// Connects, which blocks.
    ///
    /// - Throws: ``Failure``; its errors show neither values of the connection string nor texts of
    ///   the server that may repeat them.
    static func connect(
        _ configuration: PostgresConfiguration, _ target: ConnectionString, wakeUp: borrowing WakeUp,
        interruption: () -> Interruption?
    ) throws(Failure) -> OpaquePointer {
        // Of a key given twice the last one counts, so the connection string overrides what is set
        // before it.
        var settings = [
            ("connect_timeout", String(configuration.connectTimeoutSeconds)),
            ("fallback_application_name", configuration.applicationName),
            ("dbname", target.text),
            ("client_encoding", "UTF8"),
        ]
        if target.leavesHostOpen {
            // The first host may be a standby at present.
            let kind = configuration.prefersStandby ? "prefer-standby" : "read-write"
            settings.append(("target_session_attrs", kind))
        }
        let keys = settings.map { strdup($0.0) }
        let values = settings.map { strdup($0.1) }
        defer { (keys + values).forEach { free($0) } }
        let started = PQconnectStartParams(
            keys.map { UnsafePointer($0) } + [nil], values.map { UnsafePointer($0) } + [nil], 1)
        guard let started else {
            throw .postgres(PostgresError(.connectionFailed, "out of memory", provablyNotExecuted: true))
        }
        do throws(Failure) {
            PQsetNoticeProcessor(started, { _, _ in }, nil)
            // Codes in place of texts: the server's message about a failed login repeats names of
            // the connection string.
            _ = PQsetErrorVerbosity(started, PQERRORS_SQLSTATE)
            try finish(started, target, wakeUp, interruption)
            guard PQstatus(started) == CONNECTION_OK, PQsetnonblocking(started, 1) == 0,
                PQenterPipelineMode(started) == 1
            else { throw .postgres(failure(to: started)) }
        } catch {
            PQfinish(started)
            throw error
        }
        return started
    }

    /// - Throws: ``Failure`` if it was interrupted; otherwise the status says how it ended.
    private static func finish(
        _ connection: OpaquePointer, _ target: ConnectionString, _ wakeUp: borrowing WakeUp,
        _ interruption: () -> Interruption?
    ) throws(Failure) {
        let limit = timeout(of: connection)
        let end = ContinuousClock.now + (limit ?? .seconds(24 * 3600))
        var status = PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
        while status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING {
            let left = end - .now
            guard left > .zero else {
                // Only the blocking form tries the next address if one does not respond in time.
                if target.mayHaveSeveralAddresses { return PQreset(connection) }
                throw .postgres(
                    PostgresError(
                        .connectionFailed, "cannot connect to PostgreSQL: it did not respond in time",
                        underlying: endpoint(of: connection), provablyNotExecuted: true))
            }
            let events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT
            let ready = poll(connection, wakeUp, events: events, timeout: left.pollMilliseconds)
            if let interruption = interruption() { throw .interrupted(interruption) }
            if ready { status = PQconnectPoll(connection) }
        }
    }

    /// `nil` for none.
    private static func timeout(of connection: OpaquePointer) -> Duration? {
        guard let options = PQconninfo(connection) else { return nil }
        defer { PQconninfoFree(options) }
        var option = options
        while let keyword = option.pointee.keyword {
            if String(cString: keyword) == "connect_timeout", let value = option.pointee.val,
                let seconds = Int32(String(cString: value)), seconds > 0
            {
                return .seconds(max(2, seconds))
            }
            option += 1
        }
        return nil
    }

    // MARK: Failures

    private static func failure(to connection: OpaquePointer) -> PostgresError {
        // With several hosts there is a line for each; the last one is the cause.
        let text = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        let last = text.split(separator: "\n").last { $0.first != "\t" } ?? ""
        let state = sqlState(in: last)
        let (code, reason) = state.map(meaning(ofState:)) ?? meaning(ofText: text)
        return PostgresError(
            code, "cannot connect to PostgreSQL: \(reason)", sqlState: state, underlying: endpoint(of: connection),
            provablyNotExecuted: true)
    }

    /// `FATAL:  28P01` at the end of the line.
    private static func sqlState(in line: Substring) -> String? {
        let word = line.suffix(5)
        guard line.dropLast(5).hasSuffix(":  "), word.utf8.count == 5,
            word.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) })
        else { return nil }
        return String(word)
    }

    private static func meaning(ofState state: String) -> (PostgresError.Code, String) {
        switch state {
        case "28P01": (.loginRefused, "the server does not accept the password")
        case "28000": (.loginRefused, "the server refuses this user, host or database")
        case "3D000": (.loginRefused, "the database does not exist")
        case "42501": (.loginRefused, "the user may not connect to the database")
        case "53300": (.connectionFailed, "too many connections")
        case "57P03": (.connectionFailed, "the server is starting up, shutting down or recovering")
        default: (.connectionFailed, "the server refuses the connection")
        }
    }

    /// Only the kind of libpq's own texts is kept.
    private static func meaning(ofText text: String) -> (PostgresError.Code, String) {
        let kinds: [(String, PostgresError.Code, String)] = [
            ("no password supplied", .loginRefused, "the server asks for a password"),
            ("session is read-only", .connectionFailed, "no host accepts writes"),
            ("server is in hot standby mode", .connectionFailed, "no host accepts writes"),
            ("could not translate host name", .connectionFailed, "the host name cannot be resolved"),
            ("timeout expired", .connectionFailed, "it did not respond in time"),
            ("onnection refused", .connectionFailed, "the connection was refused"),
            ("No route to host", .connectionFailed, "there is no route to the host"),
            ("etwork is unreachable", .connectionFailed, "the network is unreachable"),
            ("No such file or directory", .connectionFailed, "a socket or file does not exist"),
            ("certificate", .connectionFailed, "the TLS certificate is not accepted"),
            ("SSL", .connectionFailed, "TLS could not be set up"),
            ("server closed the connection", .connectionFailed, "the server closed the connection"),
        ]
        let kind = kinds.first { text.contains($0.0) }
        return kind.map { ($0.1, $0.2) } ?? (.connectionFailed, "libpq could not set up the connection")
    }

    /// The host and port that were tried last, if the text has them.
    private static func endpoint(of connection: OpaquePointer) -> String? {
        func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String? {
            pointer.map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        guard let host = text(PQhost(connection)), host.utf8.allSatisfy(isHostByte) else { return nil }
        guard let port = text(PQport(connection)), let number = Int(port) else { return host }
        return "\(host), port \(number)"
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "/"): true
        default: false
        }
    }
}
