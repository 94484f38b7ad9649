import AgentMemory
import Testing

/// Starts: several at once, wrong settings, settings that do not fit the store.
@Suite struct StartTests {
    @Test(arguments: Store.allCases)
    func twoServersStartAtOnceAndEightClientsLoseNothing(_ store: Store) async throws {
        let environment = try store.environment()
        try await withThrowingTaskGroup(of: Void.self) { group in
            let (ports, port) = AsyncStream<String>.makeStream()
            let (ends, end) = AsyncStream<Void>.makeStream()
            let gates = [Gate(), Gate()]
            for gate in gates {
                group.addTask {
                    try await ServerProcess.run(environment) { server in
                        port.yield(server.url)
                        await gate.wait()
                        end.yield()
                    }
                }
            }
            var urls: [String] = []
            for await url in ports {
                urls.append(url)
                if urls.count == 2 { break }
            }
            let servers = urls.map(RESTClient.init)
            // The first writes ever, from all clients at once, over both servers.
            let statuses = try await withThrowingTaskGroup(of: [Int].self) { clients in
                for client in 0..<8 {
                    clients.addTask {
                        var statuses: [Int] = []
                        for batch in 0..<25 {
                            let memories = (0..<50).map { index -> JSONValue in
                                [
                                    "id": .string("c\(client)-\(batch)-\(index)"),
                                    "text": .string("record \(index) of batch \(batch)"),
                                ]
                            }
                            // A server whose store is not prepared yet says so; a client asks again.
                            var answer = try await servers[client % 2].create(memories)
                            for _ in 0..<200 where answer.status == 503 {
                                answer = try await servers[client % 2].create(memories)
                            }
                            statuses.append(answer.status)
                        }
                        return statuses
                    }
                }
                return try await clients.reduce(into: []) { $0 += $1 }
            }
            #expect(statuses.allSatisfy { $0 == 200 })
            for server in servers {
                #expect(try await server.count() == 10_000)
                #expect(try await server.search(["limit": 1]).total == 10_000)
            }
            for gate in gates { gate.open() }
            for await _ in ends.prefix(2) {}
            try await group.waitForAll()
        }
    }

    @Test(
        arguments: [
            (["PORT": "x"], "PORT=x"), (["LOG_LEVEL": "loud"], "LOG_LEVEL=loud"),
            (["REDISVL_INDEXING_ALGORITHM": "SVS"], "HNSW, FLAT"),
            (["AUTH_MODE": "oauth2"], "AUTH_MODE=oauth2"), (["DISABLE_AUTH": "false"], "DISABLE_AUTH=false"),
            (["REDISVL_DISTANCE_METRIC": "L3"], "COSINE, L2, IP"),
            (["MEMORY_VECTOR_DB_FACTORY": "mongo"], "pgvector, redis, reference"),
            (["MEMORY_VECTOR_DB_FACTORY": "pgvector"], "DATABASE_URL is not set"),
            (["EMBEDDING_MODEL": "text-embedding-3-small"], "OPENAI_API_KEY"),
            (["EMBEDDING_MODEL": "local/nope"], "EMBEDDING_MODEL"),
            (["EMBEDDING_MODEL": "local/hashing-64", "REDISVL_VECTOR_DIMENSIONS": "32"], "REDISVL_VECTOR_DIMENSIONS"),
            (["REDIS_URL": "http://user:hunter2@host"], "REDIS_URL"),
            (["REDIS_URL": "redis://:hunter2@localhost:1/1"], "database 0 only"),
            (["REDIS_URL": "redis://localhost:1?db=15"], "database 0 only"),
            (
                [
                    "MEMORY_VECTOR_DB_FACTORY": "pgvector", "DATABASE_URL": "postgresql://h:x/d",
                    "POSTGRES_SCHEMA": "a b",
                ], "schema name"
            ),
        ] as [([String: String], String)])
    func wrongSettingsStopTheStart(_ settings: [String: String], _ expected: String) async throws {
        let environment = ["EMBEDDING_MODEL": "local/hashing-64", "PORT": "0"].merging(settings) { $1 }
        let (status, output) = try await ServerProcess.command(["api"], environment)
        #expect(status == 1, "\(output)")
        #expect(output.contains(expected), "\(output)")
        #expect(!output.contains("hunter2"))
        #expect(!output.contains("listening"))
    }

    @Test(arguments: Store.allCases)
    func vectorsOfAnotherLengthAreRefusedAtTheStart(_ store: Store) async throws {
        var environment = try store.environment()
        try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            #expect(try await server.client.create([["id": "a", "text": "x"]]).status == 200)
        }
        environment["EMBEDDING_MODEL"] = "local/hashing-128"
        environment["PORT"] = "0"
        let (status, output) = try await ServerProcess.command(["api"], environment)
        #expect(status == 1, "\(output)")
        #expect(output.contains("64") && output.contains("128"), "\(output)")
    }

    @Test func aWrongPasswordOfRedisStopsTheStart() async throws {
        var environment = try Store.redis.environment()
        environment["REDIS_URL"] = environment["REDIS_URL"]?.replacing("redis://", with: "redis://nobody:hunter2@")
        let (status, output) = try await ServerProcess.command(["api"], environment.merging(["PORT": "0"]) { $1 })
        #expect(status == 1, "\(output)")
        #expect(output.contains("refuses the credentials") && !output.contains("hunter2"), "\(output)")
    }

    @Test func theConfigurationInForceIsPrintedWithoutSecrets() async throws {
        for (name, value) in [
            ("DATABASE_URL", "host=h user=u password = hunter2 dbname=d"),
            ("DATABASE_URL", #"password='a\'b hunter2' host=h"#),
            ("DATABASE_URL", "postgresql://h/d?sslpassword=hunter2&user=u"),
            ("REDIS_URL", "redis://:hun/hunter2@h:6379"),
        ] {
            let (_, output) = try await ServerProcess.command(["api", "--print-config"], [name: value])
            #expect(!output.contains("hunter2"), "\(output)")
            #expect(output.contains("***"))
        }
        let (status, output) = try await ServerProcess.command(
            ["api", "--print-config", "--port", "8123"],
            [
                "OPENAI_API_KEY": "sk-hunter2", "REDIS_URL": "redis://me:hunter2@cache:6379/3", "LOG_LEVEL": "debug",
                "DATABASE_URL": "host=db user=me password='hunter2 x' dbname=d",
                "OPENAI_API_BASE": "https://u:hunter2@proxy/v1",
            ])
        #expect(status == 0)
        #expect(!output.contains("hunter2"), "\(output)")
        for line in [
            "PORT=8123", "LOG_LEVEL=DEBUG", "REDIS_URL=redis://me:***@cache:6379/3", "OPENAI_API_KEY=***",
            "MEMORY_VECTOR_DB_FACTORY=redis",
        ] {
            #expect(output.split(separator: "\n").contains(Substring(line)), "\(line)")
        }
    }

    @Test func migrationsAreListedAndApplied() async throws {
        let environment = try Store.pgvector.environment()
        let pending = try await ServerProcess.command(["migrate", "status"], environment)
        #expect(pending.status == 0, "\(pending.output)")
        #expect(pending.output.contains("pending"))
        let dry = try await ServerProcess.command(["migrate", "dry-run"], environment)
        #expect(dry.output.contains("CREATE TABLE"))
        let up = try await ServerProcess.command(["migrate", "up"], environment)
        #expect(up.output.contains("applied 0001"), "\(up.output)")
        let status = try await ServerProcess.command(["migrate", "status"], environment)
        #expect(status.output.contains("applied at"))
        #expect(!status.output.contains("pending"))
        let missing = try await ServerProcess.command(["migrate", "up"])
        #expect(missing.status == 1)
        #expect(missing.output.contains("DATABASE_URL"))
    }

    @Test func theVersionIsPrinted() async throws {
        let (status, output) = try await ServerProcess.command(["version"])
        #expect(status == 0)
        #expect(output.hasPrefix("agent-memory "))
    }
}

/// Holds one task up until it is opened.
final class Gate: Sendable {
    private let stream: AsyncStream<Never>
    private let continuation: AsyncStream<Never>.Continuation

    init() {
        (stream, continuation) = AsyncStream.makeStream()
    }

    func wait() async { for await _ in stream {} }
    func open() { continuation.finish() }
}
