import AgentMemory
import Foundation
import TestSupport
import Testing

/// Starts: several at once, wrong settings, settings that do not fit the store.
@Suite(.tags(.server)) struct StartTests {
    @Test(arguments: Store.allCases)
    func `two servers start at once and eight clients lose nothing`(_ store: Store) async throws {
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
                            // A server whose store is not prepared yet says so; a client asks
                            // again.
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
                // The index may still look for records in all keys of the store.
                try await server.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                let counted = try await server.send(.post, "/v1/long-term-memory/count", [:])
                #expect(counted.json["count"] == 10_000, "\(counted.status) \(counted.json.jsonText)")
                #expect(try await server.search(["limit": 1]).total == 10_000)
            }
            for gate in gates { gate.open() }
            for await _ in ends.prefix(2) {}
            try await group.waitForAll()
        }
    }

    @Test(
        arguments: [
            (["PORT": "x"], "PORT=x"), (["HTTP_WORK_BYTES": "1"], "HTTP_WORK_BYTES=1"),
            (["HTTP_HEAD_TIMEOUT_SECONDS": "0"], "HTTP_HEAD_TIMEOUT_SECONDS=0"),
            (["LOG_LEVEL": "loud"], "LOG_LEVEL=loud"),
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
    func `wrong settings stop the start`(_ settings: [String: String], _ expected: String) async throws {
        let environment = ["EMBEDDING_MODEL": "local/hashing-64", "PORT": "0"].merging(settings) { $1 }
        let (status, output) = try await ServerProcess.command(["api"], environment)
        #expect(status == 1, "\(output)")
        #expect(output.contains(expected), "\(output)")
        #expect(!output.contains("hunter2"))
        #expect(!output.contains("listening"))
    }

    /// What is in the place of `.env`; every form asks for authentication, which must stop the
    /// start.
    enum EnvironmentFileForm: String, CaseIterable, Sendable {
        case plain, latin1, utf16, byteOrderMark, folder, danglingLink, unreadable, misspelt, twice

        func make(at file: URL) throws {
            let text = "# für uns\nAUTH_MODE=oauth2\n"
            switch self {
            case .plain: try Data(text.utf8).write(to: file)
            case .latin1: try #require(text.data(using: .isoLatin1)).write(to: file)
            case .utf16: try #require(text.data(using: .utf16)).write(to: file)
            case .byteOrderMark: try Data([0xEF, 0xBB, 0xBF] + Array("AUTH_MODE=oauth2".utf8)).write(to: file)
            case .folder: try FileManager.default.createDirectory(at: file, withIntermediateDirectories: false)
            case .danglingLink:
                try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: "/nowhere/env")
            // No mode keeps root out; a path that goes through a file keeps everybody out.
            case .unreadable:
                try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: "/etc/passwd/env")
            case .misspelt: try Data("AUHT_MODE=oauth2".utf8).write(to: file)
            case .twice: try Data("AUTH_MODE=oauth2\nAUTH_MODE=disabled".utf8).write(to: file)
            }
        }
    }

    @Test(arguments: EnvironmentFileForm.allCases)
    func `an environment file that is there is read or refused`(_ form: EnvironmentFileForm) async throws {
        try await withTemporaryFolder { folder in
            try form.make(at: folder.appendingPathComponent(".env"))
            let (status, output) = try await ServerProcess.command(
                ["api"], ["MEMORY_VECTOR_DB_FACTORY": "reference", "EMBEDDING_MODEL": "local/hashing-64", "PORT": "0"],
                in: folder)
            #expect(status == 1, "\(output)")
            #expect(output.contains("AUTH_MODE") || output.contains(".env"), "\(output)")
            #expect(!output.contains("listening"), "\(output)")
        }
    }

    /// What scripts are told is what the server reads.
    @Test(arguments: [
        ("PORT=8123\n", "8123"), ("PORT=8123 # my port\n", "8123"), ("PORT=\"8123\" # my port\n", "8123"),
        ("PORT=8123\r\n", "8123"), ("\u{FEFF}PORT=8123\n", "8123"), ("PORT=   # none\n", ""), ("", ""),
        ("export PORT = '8123'\nMEMORY_VECTOR_DB_FACTORY=pgvector\n", "8123"),
    ])
    func `one setting is printed for scripts`(_ file: String, _ expected: String) async throws {
        try await withTemporaryFolder { folder in
            try Data(file.utf8).write(to: folder.appendingPathComponent(".env"))
            let (status, output) = try await ServerProcess.command(["settings", "get", "--given", "PORT"], in: folder)
            #expect(status == 0, "\(output)")
            #expect(output == (expected.isEmpty ? "" : expected + "\n"))
            guard !file.contains("pgvector") else { return }
            let (_, all) = try await ServerProcess.command(["api", "--print-config"], in: folder)
            #expect(all.contains("\nPORT=\(expected.isEmpty ? "8000" : expected)\n"), "\(all)")
        }
    }

    /// Addresses that are not understood appear nowhere: neither where the settings are printed nor
    /// where the start is refused.
    @Test(arguments: [
        ("redis", "REDIS_URL", "redis://me:hun?hunter2@h"), ("redis", "REDIS_URL", "redis://me:hun#hunter2@h"),
        ("redis", "REDIS_URL", "redis://me:hun/hunter2@h"), ("redis", "REDIS_URL", "me:hunter2@h"),
        ("redis", "REDIS_URL", "redis://h/hunter2"), ("redis", "REDIS_URL", "redis://h:hunter2"),
        ("redis", "OPENAI_API_BASE", "https://me:12?hunter2@h/v1"), ("redis", "OPENAI_API_BASE", "me:hunter2@h"),
        ("redis", "EMBEDDING_API_KEY_HEADER", "Authorization: Bearer hunter2"),
        ("redis", "MEMORY_VECTOR_DB_FACTORY", "postgresql://me:hunter2@h/d"),
        ("python:nobody.create", "STATE_STORE_URL", "me:hunter2@h"),
    ])
    func `secrets of malformed addresses are not told`(_ factory: String, _ name: String, _ address: String)
        async throws
    {
        var environment = [
            "MEMORY_VECTOR_DB_FACTORY": factory, "EMBEDDING_MODEL": "text-embedding-3-small", "PORT": "0",
            "OPENAI_API_KEY": "sk-x",
        ]
        environment[name] = address
        for arguments in [["api", "--print-config"], ["api"], ["jobs"]] {
            // A server whose settings pass this far waits for its store.
            if arguments == ["api"], name == "OPENAI_API_BASE", address.contains("://") { continue }
            let (status, output) = try await ServerProcess.command(arguments, environment)
            #expect(status == 1 || arguments.count == 2, "\(output)")
            #expect(!output.contains("hunter2"), "\(arguments): \(output)")
        }
    }

    @Test(arguments: Store.allCases)
    func `vectors of another length are refused at the start`(_ store: Store) async throws {
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

    @Test func `a wrong password of Redis stops the start`() async throws {
        var environment = ServerProcess.defaults.merging(try Store.redis.environment()) { $1 }
        environment["REDIS_URL"] = environment["REDIS_URL"]?.replacing("redis://", with: "redis://nobody:hunter2@")
        let (status, output) = try await ServerProcess.command(["api"], environment)
        #expect(status == 1, "\(output)")
        #expect(output.contains("refuses the credentials") && !output.contains("hunter2"), "\(output)")
    }

    @Test func `the configuration in force is printed without secrets`() async throws {
        for (name, value) in [
            ("DATABASE_URL", "host=h user=u password = hunter2 dbname=d"),
            ("DATABASE_URL", #"password='a\'b hunter2' host=h"#),
            ("DATABASE_URL", "postgresql://h/d?sslpassword=hunter2&user=u"),
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

    @Test func `migrations are listed and applied`() async throws {
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

    @Test func `the version is printed`() async throws {
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
