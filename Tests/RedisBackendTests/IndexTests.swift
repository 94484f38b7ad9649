import AgentMemory
import Logging
import RedisDriver
import TestServices
import TestSupport
import Testing

@testable import RedisBackend

/// Making the index, judging one that is there, and making it again.
@Suite(.tags(.store)) struct IndexTests {
    private func names(_ store: TestStore) async throws -> Set<String> {
        let all = try await store.client.send(RedisCommand("FT._LIST")).array?.compactMap(\.string) ?? []
        return Set(all.filter { $0.hasPrefix(store.name) })
    }

    /// FT.CREATE as the reference server sends it.
    private func createReferenceIndex(_ store: TestStore, dimensions: Int = 4) async throws {
        var command = RedisCommand(
            "FT.CREATE", store.index, "ON", "HASH", "PREFIX", "1", store.prefix, "SCORE", "1.0", "SCHEMA")
        command.append(["text", "TEXT", "WEIGHT", "1"])
        for tag in ["session_id", "user_id", "namespace", "memory_type", "topics", "entities", "memory_hash"] {
            command.append([tag, "TAG", "SEPARATOR", ","])
        }
        for tag in ["discrete_memory_extracted", "extraction_strategy"] {
            command.append([tag, "TAG", "SEPARATOR", ","])
        }
        command.append(["extraction_strategy_config", "TEXT", "WEIGHT", "1", "metadata", "TEXT", "WEIGHT", "1"])
        for tag in ["pinned", "extracted_from", "id_"] { command.append([tag, "TAG", "SEPARATOR", ","]) }
        for number in ["access_count", "created_at", "last_accessed", "updated_at", "persisted_at", "event_date"] {
            command.append([number, "NUMERIC"])
        }
        command.append([
            "vector", "VECTOR", "HNSW", "6", "TYPE", "FLOAT32", "DIM", String(dimensions), "DISTANCE_METRIC", "COSINE",
        ])
        try await store.client.send(command)
    }

    /// A hash as the reference server writes it.
    private func referenceHash(_ store: TestStore, id: String, text: String, user: String) -> RedisCommand {
        var command = RedisCommand("HSET", "\(store.prefix):\(id)")
        command.append([
            "text", text, "id_", id, "session_id", "", "user_id", user, "namespace", "", "memory_type", "semantic",
            "extraction_strategy", "discrete", "extraction_strategy_config", "{}", "metadata", "{}", "topics",
            "Tea,food",
            "entities", "", "memory_hash", "h", "discrete_memory_extracted", "t", "pinned", "0", "access_count", "0",
            "extracted_from", "", "created_at", "1732341234.5", "last_accessed", "1732341234.5", "updated_at",
            "1732341234.5",
        ])
        command.append("vector")
        command.append(bytes: RecordHash.bytes(of: [1, 0, 0, 0]))
        return command
    }

    @Test func `is made once by servers that start together`() async throws {
        try await TestStore.run { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for i in 0..<8 {
                    group.addTask {
                        try await store.withDatabase { database in
                            _ = try await database.add([MemoryRecord(id: "r\(i)", text: "text \(i)")])
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await names(store) == [store.index])
            try await store.withDatabase { database in
                let count = try await database.count(.everything)
                #expect(count == 8)
            }
        }
    }

    @Test func `takes writes before any preparation`() async throws {
        try await TestStore.run { store in
            let database = try store.database()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for i in 0..<8 {
                    group.addTask {
                        _ = try await database.add([MemoryRecord(id: "r\(i)", text: "text \(i)")])
                        // Rule R6: what was written is found at once.
                        let filter = MemoryFilter(
                            tags: [.id: try TagCondition(field: .id, any: ["r\(i)", "other"])])
                        #expect(try await database.listed(filter) == ["r\(i)"])
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.count(.everything) == 8)
            await database.close()
        }
    }

    @Test func `coexists with the index of the reference`() async throws {
        try await TestStore.run { store in
            try await createReferenceIndex(store)
            for i in 0..<450 {
                try await store.client.send(
                    referenceHash(store, id: "ref\(i)", text: "Likes green tea \(i)", user: "Alice"))
            }
            try await store.client.send(referenceHash(store, id: " blank", text: "!!!", user: "alice"))
            try await store.withDatabase { database in
                #expect(try await names(store) == [store.index, "\(store.index)_v1"])
                _ = try await database.add([MemoryRecord(id: "own", text: "green tea", userID: "Alice")])
                let filter = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "Alice")])
                #expect(try await database.count(filter) == 451)
                // Words come with the sweep, which several servers may run at once.
                #expect(try await database.ids("tea", .keyword(.bm25std), limit: 500) == ["own"])
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<3 { group.addTask { try await database.sweep() } }
                    let swept = try await group.reduce(0, +)
                    #expect(swept == 451)
                }
                #expect(try await database.ids("tea", .keyword(.bm25std), limit: 500).count == 451)
                #expect(try await database.sweep() == 0)
                let blank = MemoryFilter(tags: [.id: try TagCondition(field: .id, any: ["blank", "x"])])
                #expect(try await database.count(blank) == 0)
                // The reference's index still finds everything, ours included.
                let reply = try await store.client.send(
                    RedisCommand("FT.SEARCH", store.index, "tea", "NOCONTENT", "LIMIT", "0", "0"))
                #expect(reply.array?.first?.integer == 451)
            }
        }
    }

    @Test(arguments: RedisMemoryDatabase.Configuration.Algorithm.allCases)
    func `an index is asked as it was made`(_ made: RedisMemoryDatabase.Configuration.Algorithm) async throws {
        try await TestStore.run { store in
            try await store.withDatabase({ $0.algorithm = made }) { database async throws in
                _ = try await database.add((0..<1500).map { try MemoryRecord(id: "e\($0)", text: "[1,1,0,0] x") })
            }
            try await store.withDatabase({ $0.algorithm = made == .flat ? .hnsw : .flat }) { database async throws in
                #expect(try await database.ids("[1,0,0,0] q", limit: 10).count == 10)
                #expect(Set(try await database.ids("[1,0,0,0] q", limit: 1500)).count == 1500)
            }
        }
    }

    @Test func `a sweep sees every text that the reference changed`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add((0..<450).map { try MemoryRecord(id: "r\($0)", text: "coffee") })
                for i in 0..<450 {
                    try await store.client.send(RedisCommand("HSET", "\(store.prefix):r\(i)", "text", "green tea"))
                }
                _ = try await database.sweep(updatedSince: Timestamp.now().advanced(bySeconds: -3600))
                #expect(try await database.ids("tea", .keyword(.bm25std), limit: 500).count == 450)
                #expect(try await database.ids("coffee", .keyword(.bm25std), limit: 500).isEmpty)
            }
        }
    }

    @Test func `a sweep leaves changed and deleted records alone`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                try await store.client.send(referenceHash(store, id: "a", text: "tea", user: "u"))
                try await store.client.send(referenceHash(store, id: "b", text: "tea", user: "u"))
                async let swept = database.sweep()
                try await store.client.send(RedisCommand("DEL", "\(store.prefix):b"))
                _ = try await swept
                _ = try await database.sweep()
                #expect(try await store.hash("b").isEmpty)
                #expect(try await store.hash("a")["keyword_terms"] == "tea")
                // The reference changes a text and knows nothing of its terms.
                try await store.client.send(RedisCommand("HSET", "\(store.prefix):a", "text", "coffee"))
                let before = try #require(Timestamp(microseconds: 1_732_341_234_000_000))
                #expect(try await database.sweep(updatedSince: before.advanced(bySeconds: 1)) == 0)
                #expect(try await database.sweep(updatedSince: before) == 1)
                #expect(try await database.ids("coffee", .keyword(.bm25std)) == ["a"])
            }
        }
    }

    @Test func `an index of an older version gets the field of metadata, and old records their terms`() async throws {
        try await TestStore.run { store in
            let filter = MemoryFilter(metadata: [try MetadataCondition(key: "n", bounds: [.init(.lt, 300)])])
            try await store.withDatabase { database in
                _ = try await database.add(
                    (0..<500).map { try MemoryRecord(id: "r\($0)", text: "tea", metadata: ["n": .int($0)]) })
                #expect(try await database.count(filter) == 300)
            }
            // As an older version leaves the store.
            try await store.client.send(RedisCommand("FT.DROPINDEX", store.index))
            try await store.client.send(IndexSchema.older(store.configuration()).creationWithoutMetadata(store.index))
            for i in 0..<500 {
                try await store.client.send(RedisCommand("HDEL", "\(store.prefix):r\(i)", RecordHash.metadataTerms))
            }
            try await store.client.send(RedisCommand("HDEL", "\(store.index)_spaces", "metadata"))
            try await store.withDatabase { database in
                let changed = try await database.reanalyze()
                #expect(changed == 500)
                #expect(try await database.count(filter) == 300)
                #expect(try await database.reanalyze() == 0)
            }
        }
    }

    @Test func `records of an older analysis are found after one walk`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add(
                    (0..<1200).map { try MemoryRecord(id: "r\($0)", text: $0 < 700 ? "我喜欢喝绿茶" : "green tea") })
                for i in 0..<700 {
                    try await store.client.send(
                        RedisCommand("HSET", "\(store.prefix):r\(i)", "keyword_terms", "我喜欢喝绿茶"))
                }
                // Vectors of other models stay: the text is the same.
                try await store.client.send(RedisCommand("HSET", "\(store.prefix):r0", "vector_2", "kept"))
                // Under the prefix, and not a record.
                try await store.client.send(RedisCommand("SET", "\(store.prefix):text", "绿茶"))
                #expect(try await database.ids("绿茶", .keyword(.bm25std), limit: 1000).isEmpty)
                #expect(try await database.reanalyze() == 700)
                #expect(try await database.ids("绿茶", .keyword(.bm25std), limit: 1000).count == 700)
                #expect(try await store.hash("r0")["vector_2"] == "kept")
                #expect(await database.health().allSatisfy { $0.warning?.contains("older version") != true })
                // Once a store; what comes later is the sweep's.
                try await store.client.send(RedisCommand("HSET", "\(store.prefix):r1", "keyword_terms", "我喜欢喝绿茶"))
                #expect(try await database.reanalyze() == 0)
                #expect(try await database.sweep(updatedSince: .earliest) == 1)
            }
        }
    }

    @Test func `refuses vectors of another length`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add([MemoryRecord(id: "a", text: "tea")])
            }
            let other = try store.database(dimensions: 8)
            let error = await #expect(throws: MemoryError.self) { try await other.prepare() }
            #expect(error?.code == .misconfigured)
            #expect(error?.message.contains("8") == true && error?.message.contains("4") == true)
            #expect(await other.health().contains { $0.component == "index" && !$0.isOK })
            await other.close()
            let metric = try store.database { $0.distanceMetric = .l2 }
            #expect(await #expect(throws: MemoryError.self) { try await metric.prepare() }?.code == .misconfigured)
            await metric.close()
        }
        try await TestStore.run { store in
            try await createReferenceIndex(store, dimensions: 8)
            let database = try store.database()
            #expect(await #expect(throws: MemoryError.self) { try await database.prepare() }?.code == .misconfigured)
            await database.close()
        }
    }

    @Test func `is made again when it is lost`() async throws {
        // Where others build theirs too, a call may not wait long enough.
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withDatabase { database in
                    _ = try await database.add([MemoryRecord(id: "a", text: "text")])
                    try await store.dropIndexes()
                    // The hash outlived the index, so it is found again.
                    #expect(try await database.count(.everything) == 1)
                    try await store.dropIndexes()
                    try await store.deleteKeys()
                    #expect(try await database.ids("text").isEmpty)
                    try await store.dropIndexes()
                    _ = try await database.add([MemoryRecord(id: "b", text: "text")])
                    #expect(try await database.listed() == ["b"])
                    let health = await database.health()
                    #expect(health.map(\.isOK) == [true, true])
                    #expect(health[0].version?.contains("RediSearch") == true)
                }
            }
        }
    }

    /// Before anything is connected, so also where another server's index answers in every
    /// database.
    @Test func `says that only database zero is searched`() async throws {
        try await TestStore.run { store in
            var endpoint = store.endpoint
            endpoint.database = 1
            let logger = Logger(label: "test")
            for make in [
                { _ = try store.database(server: { $0.endpoint = endpoint }) },
                { _ = try store.sessions(server: { $0.endpoint = endpoint }) },
                { _ = try RedisJobQueue(database: .init(endpoint: endpoint), logger: logger) },
            ] as [() throws -> Void] {
                let error = #expect(throws: MemoryError.self) { try make() }
                #expect(error?.code == .misconfigured && error?.message.contains("database 0") == true)
            }
        }
    }

    /// Indexes of this name and over these keys that would not find everything, or cannot hold what
    /// is written.
    @Test func `leaves indexes alone that are made otherwise`() async throws {
        // Building ten indexes more would hold up the tests that share a server.
        try await OwnServer.run(.redis) { server in
            for change in [
                ["HASH": "JSON"], ["STOPWORDS": "FILTER @user_id=='x' STOPWORDS"], ["FLOAT32": "FLOAT64"],
                ["TEXT": "TAG"], ["NUMERIC": "TAG"],
            ] {
                try await leavesAlone(change, server.url)
            }
        }
    }

    private func leavesAlone(_ change: [String: String], _ url: String) async throws {
        try await TestStore.run(url: url) { store in
            let schema = IndexSchema(
                keyPrefix: store.prefix + ":", dimensions: 4, metric: .cosine, algorithm: .flat)
            let words = schema.creation(named: store.index).arguments.filter { change["TEXT"] == nil || $0 != "NOSTEM" }
            var altered = words.flatMap { word in
                (change[word] ?? word).split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            }
            if change["HASH"] != nil {
                let at = try #require(altered.firstIndex(of: "SCHEMA"))
                altered = Array(altered[...at]) + ["$.id_", "AS", "id_", "TAG"]
            }
            try await store.client.send(RedisCommand(altered))
            try await store.withDatabase { database in
                _ = try await database.add([MemoryRecord(id: "a", text: "tea", userID: "u")])
                #expect(try await database.ids("tea", .keyword(.bm25std)) == ["a"])
                let own = try await IndexState.inspect("\(store.index)_v1", store.client)
                #expect(own?.records == 1, "\(change)")
            }
        }
    }

    @Test func `says where another program keeps what belongs to the store`() async throws {
        try await TestStore.run { store in
            try await store.client.send(RedisCommand("SET", "\(store.index)_spaces", "1"))
            let database = try store.database()
            let error = await #expect(throws: MemoryError.self) { try await database.prepare() }
            #expect(error?.code == .misconfigured && error?.message.contains("\(store.index)_spaces") == true)
            await database.close()
            // Numbers that would have to be counted through.
            try await store.client.send(RedisCommand("DEL", "\(store.index)_spaces"))
            for next in [Int.max, 0, -1] {
                try await store.client.send(
                    RedisCommand("HSET", "\(store.index)_spaces", "spaces", #"{"next": \#(next), "spaces": []}"#))
                let database = try store.database()
                let error = await #expect(throws: MemoryError.self) { try await database.prepare() }
                #expect(error?.code == .misconfigured)
                await database.close()
            }
        }
    }

    /// Another program's value at the key of a record is neither a record nor an error.
    @Test func `leaves keys of other types alone`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add([MemoryRecord(id: "a", text: "tea"), MemoryRecord(id: "b", text: "tea")])
                let key = "\(store.prefix):a"
                for make in [["SET", key, "v"], ["RPUSH", key, "v"], ["JSON.SET", key, "$", "{}"]] {
                    _ = try await store.client.pipeline([RedisCommand("DEL", key), RedisCommand(make)])
                    let filter = MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: "a")])
                    #expect(try await database.count(filter) == 0)
                    #expect(try await database.list(ListQuery(filter: filter, page: PageRequest())).items.isEmpty)
                    #expect(
                        try await database.update([RecordUpdate(id: "a", changes: RecordChanges(pinned: true))]) == 0)
                    #expect(try await database.delete(["a", "b-absent"]) == 0)
                    #expect(try await store.client.send(RedisCommand("EXISTS", key)).integer == 1)
                    #expect(try await database.ids("tea") == ["b"])
                    #expect(try await database.listed() == ["b"])
                    #expect(try await database.sweep() == 0)
                }
            }
        }
    }

    @Test func `refuses prefixes that the server would cut`() throws {
        let filter = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, startsWith: "u")])
        #expect(throws: MemoryError.self) { try EngineSettings().check(filter) }
        #expect(throws: Never.self) { try EngineSettings(completesPrefixes: true).check(filter) }
        #expect(throws: Never.self) { try EngineSettings().check(.everything) }
    }
}
