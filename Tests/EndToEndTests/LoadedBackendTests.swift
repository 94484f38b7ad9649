import AgentMemory
import BackendFixtures
import Foundation
import TestSupport
import Testing

/// The server with backends that are loaded at run time.
@Suite(.tags(.server)) struct LoadedBackendTests {
    /// The example backends of this repository.
    enum Example: String, CaseIterable, CustomTestStringConvertible, Sendable {
        case c, python, swift

        var testDescription: String { rawValue }

        func environment() async throws -> [String: String] {
            switch self {
            case .c:
                return ["MEMORY_VECTOR_DB_FACTORY": "\(try await FixtureLibrary.example()):create_hello_backend"]
            case .python:
                let folder = FixtureLibrary.project.appendingPathComponent("Examples/python-backend")
                return [
                    "MEMORY_VECTOR_DB_FACTORY": "python:my_backends.create_my_backend", "PYTHONPATH": folder.path,
                ]
            case .swift:
                let library = try #require(
                    ProcessInfo.processInfo.environment["TEST_SWIFT_BACKEND"],
                    "TEST_SWIFT_BACKEND is not set: run make test")
                let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).sqlite")
                return [
                    "MEMORY_VECTOR_DB_FACTORY": "\(library):create_sqlite_backend", "SQLITE_BACKEND_PATH": file.path,
                ]
            }
        }
    }

    @Test(arguments: Example.allCases)
    func `the official client`(_ example: Example) async throws {
        try await ServerProcess.run(try await example.environment()) { server in
            try await OfficialClientTests.python("official_client.py", [server.url, "--core"])
            try await OfficialClientTests.python("working_memory.py", [server.url])
        }
    }

    @Test(arguments: Example.allCases)
    func `the core of the contract`(_ example: Example) async throws {
        let (status, output) = try await ServerProcess.command(
            ["backend", "check", "--histories", "60"], try await example.environment())
        #expect(status == 0, "\(output)")
        #expect(output.contains(" passed, 0 failed"), "\(output)")
        for line in ["name", "version", "keyword search  no", "threshold       yes"] {
            #expect(output.contains("\n\(line)"), "\(output)")
        }
    }

    /// Its vectors have a length of their own, as those of backends have that read it from their
    /// own settings.
    @Test func `a backend with a fixed dimension is checked with it`() async throws {
        let source = """
            from my_backends import BruteForceDatabase
            class Fixed(BruteForceDatabase):
                def __init__(self, embeddings):
                    super().__init__(embeddings)
                    embed = embeddings.aembed_documents
                    async def checked(texts):
                        vectors = await embed(texts)
                        for vector in vectors:
                            if len(vector) != 96:
                                raise ValueError(f"the index has 96 dimensions, the vector {len(vector)}")
                        return vectors
                    embeddings.aembed_documents = checked
            def create(embeddings):
                return Fixed(embeddings)
            """
        try await withTemporaryFolder { folder in
            try Data(source.utf8).write(to: folder.appendingPathComponent("fixed_dimension.py"))
            var environment = try await Example.python.environment()
            environment["PYTHONPATH", default: ""] += ":\(folder.path)"
            environment["MEMORY_VECTOR_DB_FACTORY"] = "python:fixed_dimension.create"
            environment["EMBEDDING_MODEL"] = "local/hashing-96"
            let right = try await ServerProcess.command(
                [
                    "conformance", "--only", "record/R3", "--only", "record/R7", "--only", "recall/S2", "--only",
                    "differential/S4", "--histories", "8",
                ],
                environment)
            #expect(right.status == 0, "\(right.output)")
            #expect(right.output.contains(", 0 failed"), "\(right.output)")
            environment["REDISVL_VECTOR_DIMENSIONS"] = "64"
            environment["EMBEDDING_MODEL"] = "ollama/some-model"
            let wrong = try await ServerProcess.command(["backend", "check", "--histories", "0"], environment)
            #expect(wrong.status == 1, "\(wrong.output)")
            // One cause, and not a failure of every check.
            #expect(wrong.output.contains("could be stored with a vector of 64 numbers"), "\(wrong.output)")
            #expect(wrong.output.contains("the index has 96 dimensions"), "\(wrong.output)")
            #expect(!wrong.output.contains("usually wrong"), "\(wrong.output)")
        }
    }

    // MARK: The four failures

    @Test(arguments: [
        ("/nowhere/libacme.so:create", "there is no file /nowhere/libacme.so"),
        ("DEPENDENT:create_dependent", "needs the library libmissing_dep.so"),
        ("FOREIGN:create_good", "for another kind of machine"),
        ("MISBEHAVING:create_nothing", "has no function create_nothing"),
        ("MISBEHAVING:create_null", "returned NULL"), ("MISBEHAVING:create_wrong_magic", "no memory_backend"),
        ("MISBEHAVING:create_wrong_version", "ABI version"), ("MISBEHAVING:create_without_search", "without search"),
        ("MISBEHAVING:create_failing", #"the licence of "acme" has expired"#),
        ("MISBEHAVING:create_misconfigured", "the index has 7 dimensions"),
        ("python:nobody_has_this.create", "nobody_has_this"), ("python:json.create_backend", "json has no"),
        ("python:json.JSONDecoder", "json.JSONDecoder"), ("python:json.loads", "TypeError"),
        ("my_backends.create", "MEMORY_VECTOR_DB_PLUGIN_PATH"),
    ])
    func `a backend that cannot be made stops the start`(_ setting: String, _ expected: String) async throws {
        let setting =
            try await setting
            .replacing("DEPENDENT", with: FixtureLibrary.missingDependency())
            .replacing("FOREIGN", with: FixtureLibrary.foreign())
            .replacing("MISBEHAVING", with: FixtureLibrary.misbehaving())
        let (status, output) = try await ServerProcess.command(
            ["api"], ["MEMORY_VECTOR_DB_FACTORY": setting, "EMBEDDING_MODEL": "local/hashing-64", "PORT": "0"])
        #expect(status == 1, "\(output)")
        #expect(output.contains("MEMORY_VECTOR_DB_FACTORY=\(setting): "), "\(output)")
        #expect(output.contains(expected), "\(output)")
        #expect(!output.contains("listening"), "\(output)")
    }

    // MARK: Life

    @Test func `one instance however many ask first`() async throws {
        let process = try await RunningProcess.start(
            ServerProcess.binary, ["api"],
            environment: ServerProcess.defaults.merging([
                "MEMORY_VECTOR_DB_FACTORY": "\(try await FixtureLibrary.lifetimes()):create_counting"
            ]) { $1 })
        do {
            let client = RESTClient("http://127.0.0.1:\(try await ServerProcess.port(of: process))")
            try await withThrowingTaskGroup(of: Int?.self) { group in
                for _ in 0..<40 { group.addTask { try await client.count() } }
                while let count = try await group.next() { #expect(count == 0) }
            }
            process.signal(SIGTERM)
        } catch {
            process.signal(SIGKILL)
            throw error
        }
        #expect(await process.exitStatus() == 0, "\(process.output)")
        #expect(process.output.contains("factory calls: 1, closes: 1"), "\(process.output)")
    }

    @Test func `a Python program that is killed is a 503 and comes back`() async throws {
        try await ServerProcess.run(try await Example.python.environment()) { server in
            let client = server.client
            #expect(try await client.create([["id": "a", "text": "tea"]]).status == 200)
            let child = try #require(Self.children(of: server.identifier).first)
            kill(child, SIGKILL)
            // Either a call meets it dead, or it is back already: then with an empty memory of its
            // own.
            try await client.wait(for: { try await $0.list([:]) }) { answer in
                #expect(answer.status == 503 || answer.status == 200, "\(answer.status) \(answer.detail)")
                return answer.status == 200 && answer.total == 0
            }
            #expect(try await client.create([["id": "b", "text": "tea"]]).status == 200)
            #expect(try await client.ready().status == 200)
            #expect(server.log.contains("signal 9"), "\(server.log)")
        }
    }

    @Test func `a server that is killed leaves no Python behind`() async throws {
        var child: Int32?
        try await ServerProcess.runAndKill(try await Example.python.environment()) { server in
            child = Self.children(of: server.identifier).first
        }
        let identifier = try #require(child)
        try await eventually("the end of the Python program") {
            !FileManager.default.fileExists(atPath: "/proc/\(identifier)") || Self.isZombie(identifier)
        }
    }

    private static func children(of parent: Int32) -> [Int32] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.compactMap { Int32($0) }.filter { process in
            status(process)?.contains("\nPPid:\t\(parent)\n") == true
        }
    }

    /// A process that has ended stays in the list until it is reaped.
    private static func isZombie(_ process: Int32) -> Bool { status(process)?.contains("\nState:\tZ") != false }

    private static func status(_ process: Int32) -> String? {
        try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    }

    // MARK: Sessions and jobs

    @Test(arguments: Store.allCases)
    func `sessions are kept where the state store is`(_ store: Store) async throws {
        var environment = try store.environment()
        environment["STATE_STORE_URL"] = environment["REDIS_URL"] ?? environment["DATABASE_URL"]
        environment["REDIS_URL"] = nil
        environment["DATABASE_URL"] = nil
        environment.merge(try await Example.c.environment()) { $1 }
        let session: JSONValue = [
            "messages": [["role": "user", "content": "hello", "created_at": "2024-01-01T00:00:00Z"]], "user_id": "ada",
        ]
        try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            #expect(try await server.client.send(.put, "/v1/working-memory/talk", session).status == 200)
        }
        try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            let answer = try await server.client.send(.get, "/v1/working-memory/talk?user_id=ada")
            #expect(answer.status == 200)
            #expect(answer.json["messages"]?.arrayValue?.count == 1)
        }
    }

    @Test func `state stores that do not fit`() async throws {
        for (settings, expected) in [
            (
                try await Example.c.environment().merging(["STATE_STORE_URL": "mysql://h/d"]) { $1 },
                "STATE_STORE_URL must be"
            ),
            (["MEMORY_VECTOR_DB_FACTORY": "reference", "STATE_STORE_URL": "redis://h"], "STATE_STORE_URL is set"),
        ] {
            let (status, output) = try await ServerProcess.command(
                ["api"], settings.merging(["EMBEDDING_MODEL": "local/hashing-64", "PORT": "0"]) { $1 })
            #expect(status == 1, "\(output)")
            #expect(output.contains(expected), "\(output)")
        }
    }
}
