import Foundation
import Logging
import NIOSSL
import Synchronization
import TestSupport
import Testing

@testable import RedisDriver

/// How connections are made, broken and made again, against a server that does what a test wants.
@Suite(.tags(.alone)) struct ConnectionTests {
    private func client(
        _ endpoint: RedisEndpoint, connections: Int = 1, _ change: (inout RedisClient.Configuration) -> Void = { _ in }
    ) throws -> RedisClient {
        var configuration = RedisClient.Configuration(endpoint: endpoint)
        configuration.connections = connections
        // A busy machine is not a failure; tests of deadlines set their own.
        configuration.timeout = .seconds(30)
        configuration.connectTimeout = .seconds(30)
        change(&configuration)
        return try RedisClient(configuration: configuration, logger: Logger(label: "test"))
    }

    private func code(_ body: () async throws -> Void) async -> RedisError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? RedisError)?.code
        }
    }

    @Test func `sends a read again and a write never`() async throws {
        try await FakeServer.run(answer: { $0[0] == "FLAKY" ? nil : "+OK\r\n" }) { endpoint, log in
            let client = try client(endpoint)
            #expect(await code { try await client.send(RedisCommand("FLAKY"), isRead: true) } == .connectionLost)
            #expect(log.names.count { $0 == "FLAKY" } == 2)
            #expect(await code { try await client.send(RedisCommand("FLAKY")) } == .connectionLost)
            #expect(log.names.count { $0 == "FLAKY" } == 3)
            #expect(try await client.send(RedisCommand("GET")).string == "OK")
            await client.close()
        }
    }

    @Test func `runs the setup on every connection`() async throws {
        try await FakeServer.run(answer: { $0[0] == "QUIT" ? nil : "+OK\r\n" }) { endpoint, log in
            let client = try client(endpoint) { $0.setup = .init([RedisCommand("SETUP")]) }
            try await client.send(RedisCommand("GET"))
            _ = await code { try await client.send(RedisCommand("QUIT")) }
            try await client.send(RedisCommand("GET"))
            #expect(log.names.filter { $0 == "SETUP" || $0 == "GET" } == ["SETUP", "GET", "SETUP", "GET"])
            await client.close()
        }
    }

    @Test func `refuses a connection whose setup fails`() async throws {
        try await FakeServer.run(answer: { _ in "-ERR no\r\n" }) { endpoint, _ in
            let client = try client(endpoint) {
                $0.setup = .init([RedisCommand("SETUP")]) { replies throws(RedisError) in _ = try replies[0].get() }
            }
            #expect(await code { try await client.send(RedisCommand("GET")) } == .server)
            await client.close()
        }
    }

    @Test func `refuses clusters`() async throws {
        try await FakeServer.run(info: "# Cluster\r\ncluster_enabled:1\r\n", answer: { _ in "+OK\r\n" }) {
            endpoint, _ in
            let client = try client(endpoint)
            #expect(await code { try await client.send(RedisCommand("GET")) } == .unsupportedServer)
            await client.close()
        }
    }

    @Test func `ends waiting at the deadline`() async throws {
        try await FakeServer.run(answer: { $0[0] == "SLOW" ? "" : "+OK\r\n" }) { endpoint, _ in
            let client = try client(endpoint)
            try await client.send(RedisCommand("GET"))
            let start = ContinuousClock.now
            #expect(
                await code { try await client.send(RedisCommand("SLOW"), timeout: .milliseconds(100)) } == .timedOut)
            #expect(ContinuousClock.now - start < .seconds(2))
            // The silent connection was given up.
            #expect(try await client.send(RedisCommand("GET")).string == "OK")
            await client.close()
        }
    }

    @Test func `ends waiting when cancelled`() async throws {
        let arrived = AsyncStream.makeStream(of: Void.self)
        let answer: FakeServer.Answer = { command in
            if command[0] == "SLOW" { arrived.continuation.yield() }
            return command[0] == "SLOW" ? "" : "+OK\r\n"
        }
        try await FakeServer.run(answer: answer) { endpoint, _ in
            let client = try client(endpoint)
            let task = Task { try await client.send(RedisCommand("SLOW")) }
            for await _ in arrived.stream { break }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            await client.close()
        }
    }

    @Test func `refuses what exceeds the queue`() async throws {
        let arrived = AsyncStream.makeStream(of: Void.self)
        let answer: FakeServer.Answer = { command in
            if command[0] == "SLOW" { arrived.continuation.yield() }
            return command[0] == "FIRST" ? "+OK\r\n" : ""
        }
        try await FakeServer.run(answer: answer) { endpoint, _ in
            let client = try client(endpoint) {
                $0.maximumInFlight = 1
                $0.maximumPending = 1
            }
            // Connecting has its own time.
            try await client.send(RedisCommand("FIRST"))
            let timeout = Duration.milliseconds(300)
            async let first = code { try await client.send(RedisCommand("SLOW"), timeout: timeout) }
            for await _ in arrived.stream { break }
            let codes = await withTaskGroup(of: RedisError.Code?.self) { group in
                for _ in 0..<3 {
                    group.addTask { await code { try await client.send(RedisCommand("GET"), timeout: timeout) } }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(codes.count { $0 == .overloaded } == 2)
            #expect(await first == .timedOut)
            await client.close()
        }
    }

    /// A server that lost its role answers on every connection that was made before; those made
    /// later lead elsewhere.
    @Test(arguments: ["READONLY", "MASTERDOWN", "LOADING", "NOREPLICAS", "UNBLOCKED", "CLUSTERDOWN"])
    func `looks the server up again when its role has changed`(_ word: String) async throws {
        let made = Mutex(0)
        let answer: FakeServer.Answer = { command in
            switch command[0] {
            case "SETUP": made.withLock { $0 += 1 }
            case "WRITE" where made.withLock { $0 <= 2 }: return "-\(word) said so\r\n"
            default: break
            }
            return "+OK\r\n"
        }
        try await FakeServer.run(answer: answer) { endpoint, _ in
            let client = try client(endpoint, connections: 2) {
                $0.setup = .init([RedisCommand("SETUP")])
                $0.maximumBackoff = .zero
            }
            while made.withLock({ $0 }) < 2 {
                async let first = client.send(RedisCommand("GET"))
                async let second = client.send(RedisCommand("GET"))
                _ = try await (first, second)
            }
            let error = await #expect(throws: RedisError.self) { try await client.send(RedisCommand("WRITE")) }
            #expect(error?.saysRoleChanged == true)
            for _ in 0..<4 { #expect(try await client.send(RedisCommand("WRITE")).string == "OK") }
            await client.close()
        }
    }

    /// Neither a refused call nor one that says something else costs a connection.
    @Test func `keeps its connections otherwise`() async throws {
        let made = Mutex(0)
        let answer: FakeServer.Answer = { command in
            if command[0] == "SETUP" { made.withLock { $0 += 1 } }
            return command[0] == "SETUP" ? "+OK\r\n" : "-\(command[0]) said so\r\n"
        }
        try await FakeServer.run(answer: answer) { endpoint, _ in
            let client = try client(endpoint) {
                $0.setup = .init([RedisCommand("SETUP")])
                $0.maximumBackoff = .zero
            }
            for word in ["OOM", "MISCONF", "NOPERM", "WRONGTYPE", "BUSY", "ERR"] {
                #expect(await code { try await client.send(RedisCommand(word)) } != nil)
            }
            #expect(made.withLock { $0 } == 1)
            await client.close()
        }
    }

    @Test func `does not connect with every write to a server that takes none`() async throws {
        let made = Mutex(0)
        let answer: FakeServer.Answer = { command in
            if command[0] == "SETUP" { made.withLock { $0 += 1 } }
            return command[0] == "SETUP" ? "+OK\r\n" : "-READONLY\r\n"
        }
        try await FakeServer.run(answer: answer) { endpoint, _ in
            let client = try client(endpoint) {
                $0.setup = .init([RedisCommand("SETUP")])
                $0.maximumBackoff = .seconds(60)
            }
            for _ in 0..<20 { #expect(await code { try await client.send(RedisCommand("WRITE")) } == .readOnly) }
            #expect(made.withLock { $0 } == 1)
            await client.close()
        }
    }

    @Test func `reports a refused connection`() async throws {
        let client = try client(RedisEndpoint(.tcp(host: "127.0.0.1", port: 1), password: "hunter2"))
        let error = await #expect(throws: RedisError.self) { try await client.send(RedisCommand("GET")) }
        #expect(error?.code == .connectionFailed)
        #expect("\(String(describing: error))".contains("hunter2") == false)
        await client.close()
        #expect(await code { try await client.send(RedisCommand("GET")) } == .closed)
    }

    @Test func `talks over unix sockets`() async throws {
        let path = NSTemporaryDirectory() + "redis-\(UInt32.random(in: 0 ... .max)).sock"
        try await FakeServer.run(unixSocket: path, answer: { _ in "+OK\r\n" }) { endpoint, _ in
            let client = try client(endpoint)
            #expect(try await client.send(RedisCommand("GET")).string == "OK")
            await client.close()
        }
    }

    @Test func `talks over TLS`() async throws {
        try await withTemporaryFolder { folder in
            let files = try await SelfSignedCertificate(in: folder)
            var server = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(files.certificate).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem)))
            server.certificateVerification = .none
            let context = try NIOSSLContext(configuration: server)
            try await FakeServer.run(tls: context, answer: { _ in "+OK\r\n" }) { endpoint, _ in
                guard case .tcp(_, let port) = endpoint.address else { return }
                for parameters in ["ssl_ca_certs=\(files.certificate)", "ssl_cert_reqs=none"] {
                    let client = try client(try RedisEndpoint(url: "rediss://localhost:\(port)?\(parameters)"))
                    #expect(try await client.send(RedisCommand("GET")).string == "OK")
                    await client.close()
                }
                // No authority has signed the certificate.
                let strict = try client(try RedisEndpoint(url: "rediss://localhost:\(port)"))
                #expect(await code { try await strict.send(RedisCommand("GET")) } == .connectionFailed)
                await strict.close()
            }
            #expect(throws: RedisError.self) {
                try client(try RedisEndpoint(url: "rediss://h?ssl_ca_certs=\(folder.path)/none.pem&ssl_certfile=/none"))
            }
        }
    }
}
