import AgentMemory
import FakeEmbeddings
import HTTPClient
import Logging
import RedisDriver
import TestSupport
import Testing

/// The steps of Documentation/moving-from-the-python-server.md, on data in the layout of the Python
/// server: there, next to it, and back.
@Suite(.tags(.server)) struct MoveTests {
    private static let texts = [
        "a": "Ada drinks green tea", "b": "the train to Venice is late", "c": "Grün ist die Farbe",
    ]
    private static let fields = [
        "text", "id_", "session_id", "user_id", "namespace", "memory_type", "topics", "memory_hash", "pinned",
        "created_at", "persisted_at", "vector",
    ]

    /// One Redis as the Python server has left it: names of a scope of its own.
    private struct Old {
        let client: RedisClient
        let settings: [String: String]
        let index: String
        let prefix: String
        let sessionIndex: String
        let sessionPrefix: String

        init(_ settings: [String: String]) throws {
            self.settings = settings
            client = try RedisClient(
                configuration: RedisClient.Configuration(endpoint: RedisEndpoint(url: settings["REDIS_URL"] ?? "")),
                logger: Logger(label: "test"))
            index = settings["REDISVL_INDEX_NAME"] ?? ""
            prefix = settings["REDISVL_INDEX_PREFIX"] ?? ""
            sessionIndex = settings["WORKING_MEMORY_INDEX_NAME"] ?? ""
            sessionPrefix = settings["WORKING_MEMORY_INDEX_PREFIX"] ?? ""
        }

        /// The indexes as RedisVL makes them for the Python server.
        func createIndexes() async throws {
            var memories = RedisCommand(
                "FT.CREATE", index, "ON", "HASH", "PREFIX", "1", prefix, "SCORE", "1.0", "SCHEMA", "text", "TEXT")
            for tag in [
                "session_id", "user_id", "namespace", "memory_type", "topics", "entities", "memory_hash",
                "discrete_memory_extracted", "pinned", "extracted_from", "id_",
            ] {
                memories.append([tag, "TAG", "SEPARATOR", ","])
            }
            for number in ["access_count", "created_at", "last_accessed", "updated_at", "persisted_at", "event_date"] {
                memories.append([number, "NUMERIC"])
            }
            memories.append([
                "vector", "VECTOR", "HNSW", "6", "TYPE", "FLOAT32", "DIM", "64", "DISTANCE_METRIC", "COSINE",
            ])
            try await client.send(memories)
            var sessions = RedisCommand(
                "FT.CREATE", sessionIndex, "ON", "JSON", "PREFIX", "1", sessionPrefix, "SCORE", "1.0", "SCHEMA")
            for tag in ["session_id", "namespace", "user_id"] {
                sessions.append(["$.\(tag)", "AS", tag, "TAG", "SEPARATOR", ",", "SORTABLE"])
            }
            sessions.append(["$.created_at", "AS", "created_at", "NUMERIC", "SORTABLE"])
            try await client.send(sessions)
        }

        /// A hash as the Python server writes it.
        func store(_ id: String, _ text: String, user: String, vector: [Float]) async throws {
            var command = RedisCommand("HSET", "\(prefix):\(id)")
            command.append([
                "text", text, "id_", id, "session_id", "", "user_id", user, "namespace", "", "memory_type", "semantic",
                "topics", "Tea,food", "entities", "", "extracted_from", "", "memory_hash", "h-\(id)",
                "discrete_memory_extracted", "t", "extraction_strategy", "discrete", "extraction_strategy_config", "{}",
                "metadata", "{}", "pinned", "0", "access_count", "0", "created_at", "1732341234.5", "last_accessed",
                "1732341234.5", "updated_at", "1732341234.5", "persisted_at", "1732341234.5", "vector",
            ])
            command.append(
                bytes: vector.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init) })
            try await client.send(command)
        }

        /// A session as the Python server writes it.
        func storeSession() async throws {
            let document: JSONValue = [
                "messages": [
                    [
                        "role": "user", "content": "which tea?", "id": "m1",
                        "created_at": "2026-07-22T14:54:22.539816Z",
                        "persisted_at": nil, "discrete_memory_extracted": "f",
                    ]
                ],
                "memories": [], "context": "earlier", "user_id": "ada", "tokens": 42, "session_id": "s1",
                "namespace": nil, "ttl_seconds": nil, "data": [:],
                "long_term_memory_strategy": ["strategy": "discrete", "config": [:]],
                "last_accessed": 1_784_732_661, "created_at": 1_784_732_600, "updated_at": 1_784_732_662,
            ]
            try await client.send(RedisCommand("JSON.SET", "\(sessionPrefix)ada:s1", ".", document.jsonText))
        }

        /// What the Python server's own index finds of a user.
        func found(user: String) async throws -> Int? {
            try await client.send(RedisCommand("FT.SEARCH", index, "@user_id:{\(user)}", "LIMIT", "0", "0"))
                .array?.first?.integer
        }

        func values(_ id: String) async throws -> RedisValue {
            var command = RedisCommand("HMGET", "\(prefix):\(id)")
            command.append(MoveTests.fields)
            return try await client.send(command)
        }

        /// Keys and indexes of the scope.
        func names() async throws -> (keys: Set<String>, indexes: Set<String>) {
            let scope = index.replacing("_records", with: "")
            let keys = try await client.send(RedisCommand("KEYS", "\(scope)*")).array ?? []
            let indexes = try await client.send(RedisCommand("FT._LIST")).array ?? []
            return (
                Set(keys.compactMap(\.string)), Set(indexes.compactMap(\.string).filter { $0.hasPrefix(scope) })
            )
        }
    }

    /// The vector that the Python server got for a text from the same service.
    private static func vector(_ text: String, _ embeddings: FakeEmbeddingsServer) async throws -> [Float] {
        let body: JSONValue = ["model": "fake-model", "input": [.string(text)]]
        let response = try await HTTPClient().send(
            HTTPClient.Request(
                method: .post, url: embeddings.baseURL + "/embeddings", headers: ["Content-Type": "application/json"],
                body: Array(body.jsonText.utf8)))
        let item = try JSONValue(parsing: response.body)["data"]?.arrayValue?.first
        return (item?["embedding"]?.arrayValue ?? []).compactMap { $0.doubleValue.map(Float.init) }
    }

    @Test func `old data is found, extended, and can be taken back`() async throws {
        try await FakeEmbeddingsServer.run(["--dimensions", "64"]) { embeddings in
            let old = try Old(
                try Store.redis.environment().merging([
                    "EMBEDDING_MODEL": "fake-model", "OPENAI_API_BASE": embeddings.baseURL,
                    "OPENAI_API_KEY": "sk-test", "REDISVL_VECTOR_DIMENSIONS": "64", "USE_DOCKET": "true",
                ]) { $1 })
            try await old.createIndexes()
            for (id, text) in Self.texts {
                try await old.store(id, text, user: "ada", vector: try await Self.vector(text, embeddings))
            }
            try await old.storeSession()
            let before = try await old.names()
            let original = try await old.values("a")

            try await Self.takeOverSettings(old)
            try await ServerProcess.run(old.settings) { server in
                try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                #expect(server.log.contains("USE_DOCKET"), "\(server.log)")
                try await Self.compare(server.client)
                try await Self.useBoth(old, server.client, embeddings)
            }
            #expect(try await old.values("a") == original)
            try await Self.goBack(old, before)
        }
    }

    /// Step 3: the settings of the Python server are read, and those without effect are named.
    private static func takeOverSettings(_ old: Old) async throws {
        let (status, output) = try await ServerProcess.command(["api", "--print-config"], old.settings)
        #expect(status == 0 && output.contains(old.index) && !output.contains("sk-test"), "\(output)")
    }

    /// Step 5: count, search and read.
    private static func compare(_ api: RESTClient) async throws {
        #expect(try await api.count(["user_id": ["eq": "ada"]]) == 3)
        let nearest = try await api.search(["text": "Ada drinks green tea", "user_id": ["eq": "ada"], "limit": 1])
        #expect(nearest.ids == ["a"] && nearest.total == 3, "\(nearest.detail)")
        let distance = nearest.json["memories"]?.arrayValue?.first?["dist"]?.doubleValue
        #expect(distance.map { abs($0) < 1e-5 } == true)
        // Keywords come in the background, and know capitals outside ASCII.
        try await api.wait(
            for: { try await $0.search(["text": "GRÜN", "search_mode": "keyword", "user_id": ["eq": "ada"]]) },
            until: { $0.ids == ["c"] && $0.total == 1 })
        #expect(try await api.search(["text": "tea", "topics": ["any": ["Tea"]]]).total == 3)
        let one = try await api.send(.get, "/v1/long-term-memory/a")
        #expect(one.json["created_at"]?.stringValue == "2024-11-23T05:53:54.500000Z", "\(one.detail)")
        let session = try await api.send(.get, "/v1/working-memory/s1?user_id=ada")
        #expect(session.json["context"]?.stringValue == "earlier", "\(session.detail)")
        #expect(session.json["messages"]?.arrayValue?.count == 1)
        let sessions = try await api.send(.get, "/v1/working-memory/?user_id=ada")
        #expect(sessions.json["total"] == 1, "\(sessions.detail)")
    }

    /// Step 6: each server finds what the other one writes.
    private static func useBoth(_ old: Old, _ api: RESTClient, _ embeddings: FakeEmbeddingsServer) async throws {
        #expect(try await api.create([["id": "new", "text": "Ben likes coffee", "user_id": "ben"]]).status == 200)
        #expect(try await old.found(user: "ben") == 1)
        try await old.store(
            "late", "a late memory", user: "ben", vector: try await vector("a late memory", embeddings))
        let found = try await api.search(["text": "a late memory", "user_id": ["eq": "ben"], "limit": 1])
        #expect(found.ids == ["late"] && found.total == 2, "\(found.detail)")
    }

    /// "Going back": what this server added is removed, and the rest is as it was.
    private static func goBack(
        _ old: Old, _ before: (keys: Set<String>, indexes: Set<String>)
    ) async throws {
        for name in [old.index, old.sessionIndex] {
            try await old.client.send(RedisCommand("FT.DROPINDEX", "\(name)_v1"))
        }
        var added = RedisCommand("DEL", "\(old.index)_spaces", "\(old.index)_deleted")
        for pattern in [
            "\(old.settings["REDIS_JOBS_PREFIX"] ?? ""):*", "\(old.settings["REDIS_DOCUMENTS_PREFIX"] ?? ""):*",
            "\(old.index)_events*",
        ] {
            let found = try await old.client.send(RedisCommand("KEYS", pattern))
            added.append(found.array?.compactMap(\.string) ?? [])
        }
        try await old.client.send(added)
        let after = try await old.names()
        #expect(after.keys == before.keys.union(["\(old.prefix):new", "\(old.prefix):late"]))
        #expect(after.indexes == before.indexes)
        #expect(try await old.found(user: "ada") == 3)
        // Nothing of the test stays.
        for key in after.keys { try await old.client.send(RedisCommand("DEL", key)) }
        for index in after.indexes { try await old.client.send(RedisCommand("FT.DROPINDEX", index)) }
        await old.client.close()
    }
}
