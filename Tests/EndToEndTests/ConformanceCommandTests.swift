import AgentMemory
import Foundation
import Logging
import PostgresDriver
import RedisDriver
import TestServices
import TestSupport
import Testing

/// `agent-memory conformance` as its users run it.
@Suite(.tags(.server)) struct ConformanceCommandTests {
    @Test func `three backends side by side in JSON`() async throws {
        let file = Self.temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        let (status, output) = try await ServerProcess.command(
            [
                "conformance", "redis", "pgvector", "reference", "--only", "filter/F3-two", "--only", "page/P2-total",
                "--format",
                "json", "--output", file.path,
            ], try Self.bothStores())
        #expect(status == 0, "\(output)")
        let report = try Self.object(try JSONValue(parsing: Data(contentsOf: file)))
        #expect(report["schema"] == "agent-memory/conformance-report")
        #expect(report["schema_version"] == 1)
        #expect(report["succeeded"] == .bool(true))
        guard case .array(let backends)? = report["backends"] else {
            Issue.record("no backends in \(report)")
            return
        }
        #expect(try backends.map { try Self.object($0)["name"] } == ["redis", "pgvector", "reference"])
        for backend in backends {
            guard case .array(let checks)? = try Self.object(backend)["checks"] else {
                Issue.record("no checks in \(backend)")
                continue
            }
            #expect(
                try checks.map { try Self.object($0)["id"] } == [
                    "filter/F3-two-operators", "page/P2-total",
                ])
            #expect(try checks.allSatisfy { try Self.object($0)["result"] == "passed" })
        }
        // Lines, as no terminal is there, tell how far it is.
        #expect(output.contains("redis filter/F3-two-operators: passed"))
        #expect(output.contains("PostgreSQL"))
    }

    @Test(arguments: Store.allCases)
    func `an interrupted run leaves nothing behind`(_ store: Store) async throws {
        try await OwnServer.run(store.service) { service in
            let process = try await RunningProcess.start(
                ServerProcess.binary, ["conformance", store.rawValue, "--output", Self.temporaryFile().path],
                environment: store.environment(url: service.url))
            // The second check has begun when the first has been told of.
            for await _ in process.outputChanges where process.output.contains("[1/") { break }
            process.signal(SIGINT)
            #expect(await process.exitStatus() == 130, "\(process.output)")
            #expect(try await Self.leftovers(in: store, service.url) == [])
        }
    }

    @Test(
        arguments: [
            (["nope"], "there is no backend \"nope\""), (["reference", "--only", "fliter/"], "no check begins with"),
            (["reference", "--expected-failures", "/nonexistent"], "/nonexistent cannot be read"),
            (["reference", "--only", "record/R3", "--output", "/nonexistent/report"], "cannot be written"),
            (["reference", "--histories=-1"], "must be between 0 and 1000000"),
            (["reference", "--histories", "9223372036854775808"], "--histories"),
            (["reference", "--only", ""], "--only is empty"), (["reference", "--skip", ""], "--skip is empty"),
            (["reference", "--output", ""], "--output is empty"), (["--url", ""], "--url is empty"), ([""], "is empty"),
            (["reference", "--replay", "x", "--only", "record/"], "--replay"),
            (["--list", "--url", "http://h"], "--list"), (["reference", "--settle", "1"], "--settle"),
            (["--url", "http://h", "--settle", "1e308"], "--settle must be between"),
            (["--url", "http://h", "--settle", "nan"], "--settle must be between"),
            (["--url", "me:hunter2@h"], "--url (set, not shown"),
            (["reference", "--replay", "/nonexistent"], "/nonexistent cannot be read"),
        ])
    func wrongArgumentsAreRefused(_ arguments: [String], _ message: String) async throws {
        let (status, output) = try await ServerProcess.command(["conformance"] + arguments)
        #expect(status != 0)
        #expect(output.contains(message), "\(output)")
    }

    /// Of a server that stores after it has answered, the report has the cause; with --settle, only
    /// the checks of that cause fail.
    @Test func `a server that stores later`() async throws {
        try await ServerProcess.run(["MEMORY_VECTOR_DB_FACTORY": "reference"]) { server in
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
                "late_server.py")
            let proxy = try await RunningProcess.start(
                URL(fileURLWithPath: "/usr/bin/env"), ["python3", script.path, server.url, "2"])
            do {
                for await _ in proxy.outputChanges where proxy.output.hasSuffix("\n") { break }
                let port = try #require(proxy.output.split(whereSeparator: \.isWhitespace).last)
                let arguments = [
                    "conformance", "--url", "http://127.0.0.1:\(port)", "--only", "record/R6", "--only", "update/D1",
                    "--only", "filter/F4",
                ]
                let hasty = try await ServerProcess.command(arguments)
                #expect(hasty.status == 1)
                #expect(hasty.output.contains("note: the first record could be read only"), "\(hasty.output)")
                #expect(hasty.output.contains("--settle"), "\(hasty.output)")
                let settled = try await ServerProcess.command(arguments + ["--settle", "5"])
                #expect(settled.status == 1)
                #expect(settled.output.contains(" 1 failed"), "\(settled.output)")
                #expect(settled.output.contains("record/R6-read-your-writes (MUST) failed"), "\(settled.output)")
                #expect(settled.output.contains("Only the checks of rule R6"), "\(settled.output)")
            } catch {
                proxy.signal(SIGKILL)
                throw error
            }
            proxy.signal(SIGKILL)
            _ = await proxy.exitStatus()
        }
    }

    @Test func `stale expectations fail the run`() async throws {
        let file = Self.temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("# known\n\nreference filter/F3-two-operators not yet\n".utf8).write(to: file)
        let arguments = ["conformance", "reference", "--expected-failures", file.path]
        let (status, output) = try await ServerProcess.command(arguments + ["--only", "filter/F3"])
        #expect(status == 1)
        #expect(output.contains("expected to fail but does not: filter/F3-two-operators"), "\(output)")
        // What has not run cannot be stale.
        #expect(try await ServerProcess.command(arguments + ["--only", "page/P2"]).status == 0)
    }

    @Test func `a store that is down fails the run with its reason`() async throws {
        let (status, output) = try await ServerProcess.command(
            ["conformance", "redis"], ["REDIS_URL": "redis://127.0.0.1:1", "STORE_TIMEOUT_SECONDS": "1"])
        #expect(status == 1)
        #expect(output.contains("no database could be made"), "\(output)")
    }

    private static func bothStores() throws -> [String: String] {
        try Store.allCases.reduce(into: [:]) { $0.merge(try $1.environment()) { $1 } }
    }

    private static func temporaryFile() -> URL {
        FileManager.default.temporaryDirectory.appendingPathComponent("conformance-\(UUID().uuidString)")
    }

    private static func object(_ value: JSONValue) throws -> JSONObject {
        guard case .object(let object) = value else { throw MemoryError(.internalError, "not an object: \(value)") }
        return object
    }

    /// The names of everything that a store of a test's own holds.
    private static func leftovers(in store: Store, _ url: String) async throws -> [String] {
        switch store {
        case .redis:
            let client = try RedisClient(
                configuration: .init(endpoint: RedisEndpoint(url: url)), logger: Logger(label: "test"))
            let indexes = try await client.send(RedisCommand("FT._LIST"))
            let keys = try await client.send(RedisCommand("KEYS", "*"))
            await client.close()
            return [indexes, keys].flatMap { reply in
                if case .array(let names) = reply { names.compactMap(\.string) } else { ["\(reply)"] }
            }
        case .pgvector:
            let pool = try PostgresPool(.init(connection: .init(connectionString: url), maximumConnections: 1))
            defer { pool.close() }
            let schemas = try await pool.query(
                PostgresStatement("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'conformance%'"),
                retry: .repeatable, deadline: .now + .seconds(10))
            return try schemas.rows.map { try $0.text(0) }
        }
    }
}
