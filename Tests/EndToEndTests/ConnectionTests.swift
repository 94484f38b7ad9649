import AgentMemory
import Foundation
import TestSupport
import Testing

/// What clients see of the HTTP layer, over sockets.
@Suite(.tags(.server)) struct ConnectionTests {
    private static let settings = ["MEMORY_VECTOR_DB_FACTORY": "reference"]
    private static let health = "GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test func `a connection goes on after an offer of another protocol`() async throws {
        try await ServerProcess.run(Self.settings) { server in
            try await RawConnection.run(server.port) { connection in
                for protocolName in ["h2c", "websocket"] {
                    let answer = try await connection.ask(
                        "GET /v1/health HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: \(protocolName)\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
                    )
                    #expect(answer.status == 200)
                    #expect(try await connection.ask(Self.health).status == 200)
                }
            }
            let refused = try await RawConnection.run(server.port) { connection in
                let answer = try await connection.ask("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
                #expect(await connection.rest().isEmpty)
                return answer.status
            }
            #expect(refused == 405)
            // The client itself: it offers h2c with the first request and asks twice on one
            // connection.
            let curl = try await RunningProcess.start(
                URL(fileURLWithPath: "/usr/bin/env"),
                [
                    "curl", "--http2", "-sS", "--max-time", "10", "-w", "%{http_code} %{num_connects}\n", "-o",
                    "/dev/null", "-o", "/dev/null", "\(server.url)/v1/health", "\(server.url)/v1/health",
                ])
            #expect(await curl.exitStatus() == 0, "\(curl.output)")
            #expect(curl.output == "200 1\n200 0\n")
        }
    }

    @Test func `the answers of the HTTP layer are whole`() async throws {
        try await ServerProcess.run(
            Self.settings.merging([
                "MAX_BODY_BYTES": "2000", "HTTP_HEAD_TIMEOUT_SECONDS": "1", "HTTP_BODY_TIMEOUT_SECONDS": "1",
            ]) { $1 }
        ) { server in
            for (request, status) in [
                ("POST /v1/long-term-memory/search HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000000\r\n\r\n", 413),
                ("DELETE /v1/long-term-memory?" + String(repeating: "x", count: 100_000) + " HTTP/1.1\r\n", 414),
                ("GET /v1/health HTTP/1.1\r\nHost: h\r\nX: " + String(repeating: "x", count: 100_000), 431),
                ("GET /v1/health HTTP/1.1\r\n\r\n", 400), ("GET /v1/health HT", 408),
                ("POST /v1/long-term-memory/search HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{", 408),
            ] {
                try await RawConnection.run(server.port) { connection in
                    let answer = try await connection.ask(request)
                    #expect(answer.status == status)
                    #expect(answer.detail?.isEmpty == false)
                    #expect(answer.closes)
                    #expect(await connection.rest().isEmpty)
                }
            }
            try await RawConnection.run(server.port) { connection in
                for path in ["/v1/long-term-memory/none", "/v1/nothing", "/v1/memory/prompt"] {
                    let answer = try await connection.ask("HEAD \(path) HTTP/1.1\r\nHost: h\r\n\r\n")
                    #expect(answer.status >= 400)
                    #expect(try await connection.ask(Self.health).status == 200)
                }
                let interim = try await connection.ask(
                    "POST /v1/long-term-memory/count HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
                )
                #expect(interim.status == 100)
                #expect(try await connection.ask("{}").body == "{\"count\":0}")
            }
            // A client that goes away within its body.
            try await RawConnection.run(server.port) { connection in
                try await connection.send(
                    "POST /v1/long-term-memory/search HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{")
            }
            #expect(try await server.client.count() == 0)
            #expect(!server.log.contains(" error "), "\(server.log)")
        }
    }

    @Test func `half a body does not hold up the end`() async throws {
        try await ServerProcess.run(Self.settings) { server in
            let clock = ContinuousClock()
            let start = try await RawConnection.run(server.port) { connection in
                try await connection.send(
                    "POST /v1/long-term-memory/search HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
                )
                #expect(try await connection.answer().status == 100)
                let start = clock.now
                kill(server.identifier, SIGTERM)
                let answer = try await connection.answer()
                #expect(answer.status == 503)
                #expect(answer.closes)
                #expect(answer.detail?.contains("shutting down") == true)
                return start
            }
            await server.end()
            #expect(clock.now - start < .seconds(5))
        }
    }

    /// At the limit of connections, and at that of descriptors: the server waits without work, says
    /// so, and goes on.
    @Test(arguments: [nil, "1000"])
    func `without room for connections the server waits`(_ limit: String?) async throws {
        var environment = ServerProcess.defaults.merging(Self.settings) { $1 }
        environment["HTTP_MAX_CONNECTIONS"] = limit
        let process = try await RunningProcess.start(
            URL(fileURLWithPath: "/bin/sh"), ["-c", "ulimit -n 64; exec \"$0\" api", ServerProcess.binary.path],
            environment: environment)
        defer { process.signal(SIGKILL) }
        let port = try await ServerProcess.port(of: process)
        try await withThrowingTaskGroup(of: Void.self) { group in
            let gate = Gate()
            // Half a request each, so none is closed for being idle.
            for _ in 0..<70 {
                group.addTask {
                    try await RawConnection.run(port) { connection in
                        try await connection.send("GET /v1/health HTTP/1.1\r\nHost: h\r\n")
                        await gate.wait()
                    }
                }
            }
            for await _ in process.outputChanges where process.output.contains("no connections are accepted") {
                break
            }
            let before = try Self.processorSeconds(process.processIdentifier)
            try await Task.sleep(for: .milliseconds(500))
            let used = try Self.processorSeconds(process.processIdentifier) - before
            #expect(used < 0.1, "\(used) s of 0.5 s")
            let reason = limit == nil ? "HTTP_MAX_CONNECTIONS" : "ulimit -n"
            #expect(process.output.contains(reason), "\(process.output)")
            gate.open()
            try await group.waitForAll()
        }
        #expect(try await RESTClient("http://127.0.0.1:\(port)").send(.get, "/v1/health").status == 200)
        process.signal(SIGTERM)
        #expect(await process.exitStatus() == 0)
    }

    @Test func `clients that do not read hold little and are cut off`() async throws {
        let settings = Self.settings.merging([
            "HTTP_WORK_BYTES": "1048576", "HTTP_WORK_WAIT_SECONDS": "0.1", "HTTP_WRITE_TIMEOUT_SECONDS": "1",
            "HTTP_IDLE_TIMEOUT_SECONDS": "1",
        ]) { $1 }
        // More than the buffers of both sockets hold.
        let text = String(repeating: "x", count: 12_000_000)
        try await ServerProcess.run(settings) { server in
            let api = server.client
            let put = try await api.send(
                .put, "/v1/working-memory/s", ["messages": [["role": "user", "content": .string(text)]]])
            #expect(put.status == 200)
            let before = try Self.residentBytes(server.identifier)
            try await withThrowingTaskGroup(of: String.self) { group in
                let gate = Gate()
                for _ in 0..<24 {
                    group.addTask {
                        try await RawConnection.run(server.port) { connection in
                            try await connection.send("GET /v1/working-memory/s HTTP/1.1\r\nHost: h\r\n\r\n")
                            await gate.wait()
                            return String(await connection.rest().prefix(12))
                        }
                    }
                }
                let clock = ContinuousClock()
                let start = clock.now
                var largest = 0
                for _ in 0..<20 {
                    #expect(try await api.send(.get, "/v1/health").status == 200)
                    largest = max(largest, try Self.residentBytes(server.identifier))
                }
                #expect(clock.now - start < .seconds(10))
                #expect(largest - before < 100_000_000, "\(largest - before) bytes more")
                // Those that read nothing are cut off, and the session can be read again.
                try await api.wait(
                    for: { try await $0.send(.get, "/v1/working-memory/s") }, until: { $0.status == 200 })
                gate.open()
                let statuses = try await group.reduce(into: []) { $0.append($1) }
                #expect(statuses.contains("HTTP/1.1 503"))
            }
        }
    }

    private static func processorSeconds(_ process: Int32) throws -> Double {
        let fields = try #require(
            String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8).split(separator: ")").last
        ).split(separator: " ")
        let ticks = try #require(Double(fields[11])) + #require(Double(fields[12]))
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func residentBytes(_ process: Int32) throws -> Int {
        let pages = try String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8).split(separator: " ")[1]
        return try #require(Int(pages)) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
