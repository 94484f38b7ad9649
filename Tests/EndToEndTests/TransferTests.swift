import AgentMemory
import Foundation
import HTTPClient
import Logging
import MemoryTransfer
import RedisDriver
import TestServices
import TestSupport
import Testing

/// Data moved between stores by the commands and over REST.
@Suite(.tags(.server)) struct TransferTests {
    /// Records of the test that moves many.
    private static let count = ProcessInfo.processInfo.environment["TRANSFER_RECORDS"].flatMap { Int($0) } ?? 300

    private static let texts = [
        "plain words", "\"quotes\" and \\ backslashes", "line\nbreak\r\n and\ttab",
        "U+2028 \u{2028} and U+2029 \u{2029}",
        "🫖 👩‍👩‍👧 e\u{301} é", "\u{202E}right to left שלום مرحبا", "@text:(a|b) -{c} $d FT.SEARCH * ' OR 1=1 --",
        "\u{FEFF}mark, \u{0001} control, \u{FFFD}", String(repeating: "long 長い ", count: 4000), "{\"json\": [1, 2]}",
        "%00 \\u0000 $1 :name ?", "DEL \u{7F} \u{85}",
    ]

    private static func date(_ index: Int) -> Timestamp {
        Timestamp(microseconds: 1_750_000_000_000_000 + Int64(index) * 1_234_567) ?? .earliest
    }

    private static func record(_ index: Int) throws -> MemoryRecord {
        func some(_ value: String?) -> String? { index.isMultiple(of: 3) ? nil : value }
        let hostile = ["a b", "é:\u{2028}x", "{tag}|*", "'; --", "🫖"]
        return try MemoryRecord(
            id: "\(["id", "İd ", "i:d{}", "\u{10FFFF}", "ID"][index % 5])-\(index)",
            text: texts[index % texts.count] + "\(index)",
            sessionID: some("s \(index % 7)"), userID: some("ada\\|\(index % 4)"), namespace: some(hostile[index % 5]),
            memoryType: [.semantic, .episodic, .message][index % 3], topics: Array(hostile.prefix(index % 6)),
            entities: Array(hostile.suffix(index % 4)),
            extractedFrom: index.isMultiple(of: 4) ? ["m1", "m\u{301}"] : [],
            discreteMemoryExtracted: index.isMultiple(of: 2), extractionStrategy: some("custom"),
            extractionStrategyConfig: [
                "n": .number(JSONNumber(uncheckedLiteral: "1.500")), "z": nil, "a": [true, [:]],
            ],
            metadata: [
                "b": .int(index), "a": "x\"\n\u{2028}", "": .string(""),
                "number": .number(JSONNumber(uncheckedLiteral: "-12345678901234567890.10e+3")), "deep": [[[["end"]]]],
            ], memoryHash: some("hash-\(index)"), pinned: index.isMultiple(of: 5), accessCount: index % 9,
            createdAt: date(index), lastAccessed: date(index + 1), updatedAt: date(index + 2),
            persistedAt: date(index + 3),
            eventDate: index.isMultiple(of: 2) ? date(-index * 1000) : nil,
            expiresAt: index % 5 == 1 ? Timestamp(parsing: "2999-12-31T23:59:59.000001Z") : nil)
    }

    private static func session(_ index: Int) throws -> WorkingMemory {
        WorkingMemory(
            key: try SessionKey(
                sessionID: "s/\(index) \u{2028}", namespace: index.isMultiple(of: 2) ? "n" : nil,
                userID: index.isMultiple(of: 3) ? nil : "u:é"),
            messages: try (0..<index % 5).map {
                try SessionMessage(
                    id: "m\($0)", role: ["user", "tool"][$0 % 2], content: texts[($0 + index) % texts.count],
                    createdAt: date($0), persistedAt: $0.isMultiple(of: 2) ? date(9) : nil,
                    discreteMemoryExtracted: $0.isMultiple(of: 3))
            },
            memories: try (0..<index % 3).map {
                SessionMemory(
                    try MemoryRecord(
                        id: "w\($0)-\(index)", text: texts[$0], topics: ["a"], metadata: ["k": 1], createdAt: date(1),
                        lastAccessed: date(2), updatedAt: date(3)), givenLists: [.topics], persistedAt: date(4))
            }, data: index.isMultiple(of: 2) ? ["big": .number(JSONNumber(uncheckedLiteral: "1e400")), "z": [:]] : nil,
            context: index.isMultiple(of: 3) ? texts[index % texts.count] : nil, tokens: index,
            strategy: MemoryStrategy(.custom, config: ["prompt": "x"]),
            ttlSeconds: index.isMultiple(of: 4) ? 86_400 : nil,
            createdAt: date(index), updatedAt: date(index + 1), lastAccessed: date(index + 2))
    }

    /// An export that no server has written.
    private static func export(records: Int, sessions: Int) throws -> [UInt8] {
        var writer = ExportWriter()
        var bytes = writer.header(
            ExportHeader(
                server: "test", createdAt: .now(), space: EmbeddingSpace(model: "local/hashing-64", dimensions: 64),
                metric: .cosine, selection: try SnapshotSelection(), records: records, sessions: sessions))
        let all = try (0..<records).map(record).sorted { ExactString($0.id) < ExactString($1.id) }
        bytes += writer.records(all.map { SnapshotRecord($0) })
        for session in try (0..<sessions).map(session).sorted(by: { $0.key < $1.key }) {
            bytes += writer.session(session)
        }
        return bytes + writer.end(isConsistent: true)
    }

    /// The lines of records and sessions.
    private static func lines(_ file: URL) throws -> [Substring] {
        let text = try String(contentsOf: file, encoding: .utf8)
        return Array(text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().dropLast(2))
    }

    private static func settings(_ store: Store) throws -> [String: String] {
        try store.environment().merging(["EMBEDDING_MODEL": "local/hashing-64", "STORE_TIMEOUT_SECONDS": "15"]) { $1 }
    }

    @discardableResult
    private static func run(
        _ arguments: String..., with settings: [String: String], status expected: Int32 = 0
    ) async throws -> String {
        let start = ContinuousClock.now
        let (status, output) = try await ServerProcess.command(arguments, settings)
        #expect(status == expected, "\(arguments): \(output)")
        if count > 1000 { print("\(arguments[0]) took \(ContinuousClock.now - start): \(output)") }
        return output
    }

    @Test func `lines are the same through Redis and through Postgres`() async throws {
        try await withTemporaryFolder { folder in
            let files = ["first", "redis", "postgres", "back"].map { folder.appendingPathComponent("\($0).jsonl") }
            try Data(Self.export(records: Self.count, sessions: 30)).write(to: files[0])
            let (redis, postgres) = (try Self.settings(.redis), try Self.settings(.pgvector))
            try await Self.run("import", "--from", files[0].path, with: redis)
            try await Self.run("export", "--to", files[1].path, "--vectors", with: redis)
            try await Self.run("import", "--from", files[1].path, "--keep-vectors", with: postgres)
            try await Self.run("export", "--to", files[2].path, "--vectors", with: postgres)
            try await Self.run("export", "--to", files[3].path, with: postgres)
            let (first, second, third) = (try Self.lines(files[0]), try Self.lines(files[1]), try Self.lines(files[2]))
            #expect(first.count == Self.count + 30)
            #expect((second == third) as Bool)
            #expect((try Self.lines(files[3]) == first) as Bool)
            // Only complete files are there, which their owner alone may read.
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 4)
            let mode = try FileManager.default.attributesOfItem(atPath: files[1].path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test func `an export over REST is imported over REST, and taken back`() async throws {
        let (source, target) = (try Self.settings(.redis), try Self.settings(.pgvector))
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("first.jsonl")
            try Data(Self.export(records: 450, sessions: 5)).write(to: file)
            try await Self.run("import", "--from", file.path, with: source)
        }
        let exported = try await ServerProcess.run(source) { server in
            let answer = try await Self.send(.get, server.url + "/v1/export?vectors=true")
            #expect(answer.status == 200)
            let refused = try await server.client.send(.get, "/v1/export?user=ada")
            #expect(refused.status == 422 && refused.json["detail"]?.arrayValue?.first?["loc"] == ["query", "user"])
            return answer.body
        }
        // Below what a session or a record takes: imports have no limit.
        try await ServerProcess.run(target.merging(["MAX_BODY_BYTES": "65536"]) { $1 }) { server in
            let url = server.url + "/v1/import"
            let cut = try await Self.send(.post, url + "?dry_run=true", Array(exported.dropLast(100)))
            #expect(cut.status == 422 && String(decoding: cut.body, as: UTF8.self).contains("cut short"))
            let answer = try await Self.send(.post, url + "?keep_vectors=true", exported)
            #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
            let outcome = try JSONValue(parsing: answer.body)
            #expect(outcome["memories"]?["added"] == 450 && outcome["sessions"]?["added"] == 5)
            #expect(try await server.client.count() == 450)
            let repeated = try await Self.send(.post, url, exported)
            #expect(repeated.status == 409)
            let operation = outcome["operation"]?.stringValue ?? ""
            let undo = try await server.client.send(.post, "/v1/operations/\(operation)/undo")
            #expect(undo.json["undone"] == 450, "\(undo.detail)")
            #expect(try await server.client.count() == 0)
        }
    }

    private static func send(
        _ method: HTTPClient.Method, _ url: String, _ body: [UInt8] = []
    ) async throws -> HTTPClient.Response {
        try await HTTPClient().send(
            HTTPClient.Request(
                method: method, url: url, headers: body.isEmpty ? [:] : ["Content-Type": "application/x-ndjson"],
                body: body, timeout: .seconds(120)))
    }

    @Test func `an import that was killed is completed by the same import`() async throws {
        let settings = try Self.settings(.redis)
        let client = try RedisClient(
            configuration: RedisClient.Configuration(endpoint: RedisEndpoint(url: settings["REDIS_URL"] ?? "")),
            logger: Logger(label: "test"))
        let keys = RedisCommand("KEYS", "\(settings["REDISVL_INDEX_PREFIX"] ?? "")*")
        try await withTemporaryFolder { folder in
            let (file, out) = (folder.appendingPathComponent("in.jsonl"), folder.appendingPathComponent("out.jsonl"))
            try Data(Self.export(records: 1500, sessions: 5)).write(to: file)
            let process = try await RunningProcess.start(
                ServerProcess.binary, ["import", "--from", file.path], environment: settings)
            try await eventually(within: .seconds(60), "nothing is imported: \(process.output)") {
                try await client.send(keys).array?.isEmpty == false
            }
            process.signal(SIGKILL)
            _ = await process.exitStatus()
            try await Self.run("import", "--from", file.path, "--existing", "skip", with: settings)
            try await Self.run("export", "--to", out.path, with: settings)
            #expect((try Self.lines(out) == Self.lines(file)) as Bool)
        }
        await client.close()
    }

    @Test func `a client that does not read its export is disconnected, and the server goes on`() async throws {
        let settings = try Self.settings(.redis).merging(["HTTP_WRITE_TIMEOUT_SECONDS": "1"]) { $1 }
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("first.jsonl")
            try Data(Self.export(records: 2400, sessions: 0)).write(to: file)
            try await Self.run("import", "--from", file.path, with: settings)
        }
        try await ServerProcess.run(settings) { server in
            for _ in 0..<2 {
                try await RawConnection.run(server.port) { connection in
                    try await connection.send("GET /v1/export HTTP/1.1\r\nHost: x\r\n\r\n")
                    try await eventually(within: .seconds(20), "the export is not cut short: \(server.log)") {
                        server.log.contains("an export was cut short")
                    }
                }
            }
            // Both places are free again.
            let answer = try await Self.send(.get, server.url + "/v1/export")
            #expect(answer.status == 200)
            #expect(String(decoding: answer.body.suffix(200), as: UTF8.self).contains(#""records":2400"#))
        }
    }

    /// A Redis as the Python server leaves it, and a user who may only read it.
    private struct PythonRedis {
        let client: RedisClient
        let scope: String
        /// Where the user reads.
        let url: String
        private let user: String

        init() async throws {
            let administrator = try SharedServer.redisURL()
            client = try RedisClient(
                configuration: RedisClient.Configuration(endpoint: RedisEndpoint(url: administrator)),
                logger: Logger(label: "test"))
            scope = "py_\(UUID().uuidString.prefix(8).lowercased())"
            user = "\(scope)_reader"
            var components = try #require(URLComponents(string: administrator))
            (components.user, components.password) = (user, "secret")
            url = try #require(components.string)
            try await client.send(
                RedisCommand("ACL", "SETUSER", user, "on", ">secret", "~\(scope)*", "+@read", "+json.get", "+ping"))
        }

        var names: [String: String] {
            [
                "REDISVL_INDEX_NAME": "\(scope)_records", "REDISVL_INDEX_PREFIX": "\(scope)_idx",
                "WORKING_MEMORY_INDEX_NAME": "\(scope)_sessions", "WORKING_MEMORY_INDEX_PREFIX": "\(scope)_wm:",
            ]
        }

        func store(_ id: String, _ text: String, vector: [Float]) async throws {
            var command = RedisCommand("HSET", "\(scope)_idx:\(id)")
            command.append([
                "text", text, "id_", id, "session_id", "s1", "user_id", "ada", "namespace", "", "memory_type",
                "semantic",
                "topics", "Tea,food", "entities", "", "extracted_from", "", "memory_hash", "h-\(id)",
                "discrete_memory_extracted", "t", "extraction_strategy", "discrete", "extraction_strategy_config", "{}",
                "metadata", "{}", "pinned", "0", "access_count", "3", "created_at", "1732341234.5", "last_accessed",
                "1732341234.5", "updated_at", "1732341234.5", "persisted_at", "1732341234.5", "vector",
            ])
            command.append(bytes: vector.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) })
            try await client.send(command)
        }

        func storeSession() async throws {
            let document: JSONValue = [
                "messages": [
                    [
                        "role": "user", "content": "which tea?", "id": "m1",
                        "created_at": "2026-07-22T14:54:22.539816Z",
                        "persisted_at": nil, "discrete_memory_extracted": "f",
                    ]
                ], "memories": [], "context": "earlier", "user_id": "ada", "tokens": 42, "session_id": "s1",
                "namespace": nil, "ttl_seconds": nil, "data": [:],
                "long_term_memory_strategy": ["strategy": "discrete", "config": [:]],
                "last_accessed": 1_784_732_661, "created_at": 1_784_732_600, "updated_at": 1_784_732_662,
            ]
            try await client.send(RedisCommand("JSON.SET", "\(scope)_wm:ada:s1", ".", document.jsonText))
        }

        /// Every key of the scope with its value, and the indexes.
        func content() async throws -> [String: RedisValue] {
            var content: [String: RedisValue] = ["": try await client.send(RedisCommand("FT._LIST"))]
            for key in try await client.send(RedisCommand("KEYS", "\(scope)*")).array?.compactMap(\.string) ?? [] {
                // A dump of a hash has its fields in an order that changes by itself.
                let fields = try await client.pipeline([RedisCommand("HGETALL", key)], isRead: true)[0].array
                let pairs = (fields ?? []).map { "\($0)" }
                content[key] =
                    pairs.isEmpty
                    ? try await client.send(RedisCommand("DUMP", key))
                    : .array(
                        stride(from: 0, to: pairs.count, by: 2).map { pairs[$0] + pairs[$0 + 1] }.sorted()
                            .map { .status($0) })
            }
            // Other tests make indexes at the same time.
            content[""] = .array((content[""]?.array ?? []).filter { $0.string?.hasPrefix(scope) == true })
            return content
        }

        func remove() async throws {
            for key in try await client.send(RedisCommand("KEYS", "\(scope)*")).array?.compactMap(\.string) ?? [] {
                try await client.send(RedisCommand("DEL", key))
            }
            try await client.send(RedisCommand("ACL", "DELUSER", user))
            await client.close()
        }
    }

    @Test func `a Redis of the Python server is read by a user who may not write, and stays as it is`() async throws {
        let python = try await PythonRedis()
        try await withClosing {
            let vector = (0..<64).map { Float($0) / 100 - 0.3 }
            for (id, text) in [("a", "Ada drinks tea"), ("b", "the train is late"), ("c", "Grün")] {
                try await python.store(id, text, vector: vector)
            }
            try await python.storeSession()
            let before = try await python.content()
            #expect(before.count == 5)
            let settings = try Self.settings(.pgvector).merging(python.names) { $1 }
            let dry = try await Self.run("import", "--from", python.url, "--dry-run", with: settings)
            #expect(dry.contains("memories: 3 added") && dry.contains("sessions: 1 added"), "\(dry)")
            try await Self.run(
                "import", "--from", python.url, "--keep-vectors", "--source-model", "text-embedding-3-small",
                with: settings, status: 1)
            try await Self.run(
                "import", "--from", python.url, "--keep-vectors", "--source-model", "local/hashing-64", with: settings)
            try await withTemporaryFolder { folder in
                let file = folder.appendingPathComponent("out.jsonl")
                try await Self.run("export", "--to", file.path, "--vectors", with: settings)
                let lines = try Self.lines(file)
                #expect(lines.count == 4)
                let first = try JSONValue(parsing: String(lines[0]))
                #expect(first["record"]?["created_at"] == "2024-11-23T05:53:54.500000Z")
                #expect(first["record"]?["topics"] == ["Tea", "food"] && first["record"]?["access_count"] == 3)
                #expect(Set(lines.prefix(3).compactMap { $0.split(separator: "\"vector\"").last }).count == 1)
                let session = try JSONValue(parsing: String(lines[3]))["session"]
                #expect(session?["context"] == "earlier" && session?["tokens"] == 42)
            }
            // What cannot be stored is named.
            try await python.store("bad", " ", vector: vector)
            let refused = try await Self.run(
                "import", "--from", python.url, "--existing", "skip", with: settings, status: 1)
            #expect(refused.contains("(memory bad): text must not be empty"), "\(refused)")
            try await python.client.send(RedisCommand("DEL", "\(python.scope)_idx:bad"))
            let after = try await python.content()
            let changed = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }
            #expect(changed.isEmpty, "changed: \(changed)")
        } close: {
            try? await python.remove()
        }
    }

    @Test func `the commands search and delete as those of the Python server`() async throws {
        let settings = try Self.settings(.redis)
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("first.jsonl")
            try Data(Self.export(records: 12, sessions: 3)).write(to: file)
            try await Self.run("import", "--from", file.path, with: settings)
        }
        let found = try await Self.run("search", "plain words", "--limit", "1", "--format", "json", with: settings)
        #expect(try JSONValue(parsing: found)["memories"]?.arrayValue?.first?["id"] == "id-0")
        let text = try await Self.run("search", "plain words", "-l", "1", with: settings)
        #expect(
            text.hasPrefix("Found 12 memories (showing 1):\n\(String(repeating: "=", count: 60))\n\n[1] ID: id-0\n"))
        let none = try await Self.run("search", "zzz", "-n", "no-such", with: settings)
        #expect(none == "Found 0 memories (showing 0):\n\(String(repeating: "=", count: 60))\n")
        try await Self.run("search", "x", "--search-mode", "keyword", "-d", "0.5", with: settings, status: 64)
        let dry = try await Self.run("delete", "memory", "id-0", "id-0", "nope", "--dry-run", with: settings)
        #expect(dry == "Would delete 2 memories:\n  - id-0\n  - nope\n")
        let deleted = try await Self.run("delete", "memory", "id-0", "nope", "-f", with: settings)
        #expect(deleted == "Deleted 1 memories.\n")
        let session = ["delete", "session", "s/1 \u{2028}", "--user", "u:é", "-f"]
        for answer in ["Deleted session s/1 \u{2028}.\n", "Session s/1 \u{2028} not found.\n"] {
            let output = try await ServerProcess.command(session, settings).output
            // The first command that needs the index of sessions logs that it makes it.
            #expect(output.hasSuffix(answer), "\(output)")
        }
        try await Self.run("delete", "memory", "id-5", with: settings, status: 1)
    }
    @Test(arguments: Store.allCases)
    func `memories that no server would store are found and deleted by command`(_ store: Store) async throws {
        let settings = try Self.settings(store)
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("first.jsonl")
            try Data(Self.export(records: 5, sessions: 0)).write(to: file)
            try await Self.run("import", "--from", file.path, with: settings)
        }
        var invalid: [String] = []
        switch store {
        case .redis:
            let prefix = settings["REDISVL_INDEX_PREFIX"] ?? ""
            let client = try RedisClient(
                configuration: RedisClient.Configuration(endpoint: RedisEndpoint(url: settings["REDIS_URL"] ?? "")),
                logger: Logger(label: "test"))
            func add(_ key: String, _ fields: [String: String]) async throws {
                var command = RedisCommand("HSET", "\(prefix):\(key)")
                for (name, value) in fields { command.append([name, value]) }
                try await client.send(command)
            }
            let rest = ["memory_type": "semantic", "created_at": "1732341234.5", "namespace": "n", "user_id": "ada"]
            try await add("blank", rest.merging(["id_": "blank", "text": " \t"]) { $1 })
            try await add("nothing", rest.merging(["text": "x"]) { $1 })
            try await add("other", rest.merging(["id_": "another", "text": "x"]) { $1 })
            invalid = ["\(prefix):nothing", "\(prefix):other"]
            await client.close()
        case .pgvector:
            try await Store.administer(
                """
                UPDATE \(settings["POSTGRES_SCHEMA"] ?? "").memories SET text = ' ', id = 'blank', namespace = 'n', \
                user_id = 'ada' WHERE number = 1
                """, settings["DATABASE_URL"] ?? "")
        }
        let blank = ["delete", "memory", "--empty-text"]
        #expect(try await Self.output(blank + ["-n", "m", "-f"], settings) == "No memories with empty text found.\n")
        #expect(
            try await Self.output(blank + ["-n", "n", "-u", "ada", "--dry-run"], settings)
                == "Would delete 1 memories with empty text:\n  - blank\n")
        #expect(try await Self.output(blank, settings, status: 1).hasSuffix("[y/N]: Aborted!\n"))
        #expect(try await Self.output(blank + ["-f"], settings) == "Deleted 1 memories with empty text.\n")
        #expect(try await Self.output(blank + ["-f"], settings) == "No memories with empty text found.\n")
        let broken = ["delete", "memory", "--invalid"]
        let shown = (["Would delete \(invalid.count) memories with invalid IDs:"] + invalid.map { "  - \($0)" })
            .map { $0 + "\n" }.joined()
        #expect(try await Self.output(broken + ["--dry-run"], settings) == shown)
        for count in [invalid.count, 0] {
            #expect(try await Self.output(broken + ["-f"], settings) == "Deleted \(count) memories with invalid IDs.\n")
        }
        for refused in [["--invalid", "--empty-text"], ["id-1", "--invalid"], [], ["--invalid", "-n", "n"]] {
            _ = try await Self.output(["delete", "memory"] + refused, settings, status: 64)
        }
        // The others are left.
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("out.jsonl")
            try await Self.run("export", "--to", file.path, with: settings)
            #expect(try Self.lines(file).count == (store == .redis ? 5 : 4))
        }
    }

    private static func output(
        _ arguments: [String], _ settings: [String: String], status expected: Int32 = 0
    ) async throws -> String {
        let (status, output) = try await ServerProcess.command(arguments, settings)
        #expect(status == expected, "\(arguments): \(output)")
        return output
    }
}
