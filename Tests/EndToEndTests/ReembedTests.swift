import AgentMemory
import FakeEmbeddings
import Synchronization
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// From one embedding model to another with `agent-memory reembed`, while servers run.
@Suite(.tags(.server)) struct ReembedTests {
    private static let count = 600

    private static func text(_ number: Int) -> String { "memory number \(number) about subject \(number * 7)" }

    private static func memory(_ id: String, _ text: String) -> JSONValue {
        ["id": .string(id), "text": .string(text), "user_id": "u"]
    }

    /// Settings with the model of the fake service, whose vectors are those of a text as a whole.
    private static func newModel(
        _ environment: [String: String], _ embeddings: FakeEmbeddingsServer
    ) -> [String: String] {
        environment.merging([
            "EMBEDDING_MODEL": "fake-model", "OPENAI_API_BASE": embeddings.baseURL, "OPENAI_API_KEY": "sk-test",
            "REDISVL_VECTOR_DIMENSIONS": "64", "EMBEDDING_BATCH_SIZE": "20", "PORT": "0",
            "STORE_TIMEOUT_SECONDS": "15",
        ]) { $1 }
    }

    /// Searches until it is ended; every answer must be whole.
    private static func searching(_ api: RESTClient, until end: Gate, expecting totals: ClosedRange<Int>) async throws
        -> Int
    {
        let ended = Mutex(false)
        let watch = Task {
            await end.wait()
            ended.withLock { $0 = true }
        }
        defer { watch.cancel() }
        var searches = 0
        while !ended.withLock(\.self) {
            // Those from 300 on are left alone by the writes.
            let number = 300 + searches % 300
            let answer = try await api.search([
                "text": .string(text(number)), "limit": 50, "user_id": ["eq": "u"], "recency_boost": false,
            ])
            #expect(answer.status == 200, "\(answer.detail)")
            #expect(answer.ids.count == 50)
            #expect(answer.ids.first == "m\(number)")
            #expect(answer.total.map(totals.contains) == true, "\(answer.total ?? -1)")
            searches += 1
        }
        return searches
    }

    private static func expectFound(_ text: String, _ id: String, by api: RESTClient, total: Int) async throws {
        let answer = try await api.search([
            "text": .string(text), "limit": 1, "user_id": ["eq": "u"], "recency_boost": false,
        ])
        #expect(answer.status == 200, "\(answer.detail)")
        #expect(answer.ids == [id])
        #expect(answer.total == total)
        let distance = answer.json["memories"]?.arrayValue?.first?["dist"]?.doubleValue
        #expect(distance.map { $0 < 1e-3 } == true, "\(text): \(distance ?? -1)")
    }

    @Test(arguments: Store.allCases)
    func `a store changes its model while it is searched and written`(_ store: Store) async throws {
        let oldSettings = try store.environment()
        try await FakeEmbeddingsServer.run(["--dimensions", "64", "--delay-ms", "120"]) { embeddings in
            let newSettings = Self.newModel(oldSettings, embeddings)
            try await ServerProcess.run(oldSettings) { old in
                let api = old.client
                try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                for start in stride(from: 0, to: Self.count, by: 200) {
                    let memories = (start..<start + 200).map { Self.memory("m\($0)", Self.text($0)) }
                    #expect(try await api.create(memories).status == 200)
                }
                // Another length and the same length.
                for settings in [
                    oldSettings.merging(["EMBEDDING_MODEL": "local/hashing-128", "PORT": "0"]) { $1 }, newSettings,
                ] {
                    let (status, output) = try await ServerProcess.command(["api"], settings)
                    #expect(status == 1, "\(output)")
                    #expect(output.contains("local/hashing-64"), "\(output)")
                    #expect(output.contains(settings["EMBEDDING_MODEL"] ?? "?"), "\(output)")
                    #expect(output.contains("agent-memory reembed"), "\(output)")
                }
                let early = try await ServerProcess.command(["reembed", "--drop-others"], newSettings)
                #expect(early.status == 1, "\(early.output)")

                let end = Gate()
                let searches = try await withThrowingTaskGroup(of: Int.self) { group in
                    group.addTask {
                        try await Self.searching(api, until: end, expecting: Self.count - 10...Self.count + 10)
                    }
                    defer { end.open() }
                    try await Self.interruptAndResume(newSettings, api)
                    end.open()
                    return try await group.reduce(0, +)
                }
                #expect(searches > 0)
                try await Self.useBoth(newSettings, api)
            }
            try await Self.dropOld(oldSettings, newSettings)
        }
    }

    /// Ends the work in the middle, writes, and begins it again.
    private static func interruptAndResume(_ settings: [String: String], _ api: RESTClient) async throws {
        let process = try await RunningProcess.start(ServerProcess.binary, ["reembed"], environment: settings)
        for await _ in process.outputChanges where process.output.contains(#/\n[1-9]\d* of 6\d\d memories/#) { break }
        process.signal(SIGINT)
        #expect(await process.exitStatus() == 130, "\(process.output)")
        #expect(process.output.contains("run the same command"), "\(process.output)")
        let half = try await ServerProcess.command(["api"], settings)
        #expect(half.status == 1 && half.output.contains("does not have all vectors"), "\(half.output)")

        try await write(api, round: 0)
        let resumed = try await RunningProcess.start(ServerProcess.binary, ["reembed"], environment: settings)
        for await _ in resumed.outputChanges where resumed.output.contains(#/\n[1-9]\d* of 6\d\d memories/#) { break }
        // It does not begin again.
        let first = try #require(resumed.output.firstMatch(of: #/(\d+) of \d+ memories/#).flatMap { Int($0.1) })
        #expect(first > 0, "\(resumed.output)")
        try await write(api, round: 1)
        #expect(await resumed.exitStatus() == 0, "\(resumed.output)")
        #expect(resumed.output.contains("done:"), "\(resumed.output)")
    }

    /// New records, changed texts and removed records, in the part that was embedded first and in
    /// the one that comes last.
    private static func write(_ api: RESTClient, round: Int) async throws {
        #expect(try await api.create([memory("new\(round)", "written in round \(round)")]).status == 200)
        for number in [round, 290 + round] {
            let path = "/v1/long-term-memory/m\(number)"
            #expect(try await api.send(.patch, path, ["text": .string("changed \(number)")]).status == 200)
        }
        #expect(try await api.create([memory("m\(10 + round)", "replaced \(round)")]).status == 200)
        let gone = try await api.send(.delete, "/v1/long-term-memory?memory_ids=m\(20 + round)")
        #expect(gone.status == 200, "\(gone.detail)")
    }

    /// The new server next to the old one: each finds everything, also what the other writes.
    private static func useBoth(_ settings: [String: String], _ old: RESTClient) async throws {
        try await ServerProcess.run(settings) { server in
            let new = server.client
            try await new.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            #expect(try await new.count() == count)
            #expect(try await new.list(["limit": 1]).total == count)
            for round in 0..<2 {
                for api in [old, new] {
                    try await expectFound("written in round \(round)", "new\(round)", by: api, total: count)
                    for number in [round, 290 + round] {
                        try await expectFound("changed \(number)", "m\(number)", by: api, total: count)
                    }
                    try await expectFound("replaced \(round)", "m\(10 + round)", by: api, total: count)
                }
            }
            for number in stride(from: 30, to: 290, by: 13) {
                try await expectFound(text(number), "m\(number)", by: new, total: count)
            }
            for (writer, reader, id) in [(old, new, "m500"), (new, old, "m501")] {
                let answer = try await writer.send(
                    .patch, "/v1/long-term-memory/\(id)", ["text": .string("afterwards \(id)")])
                #expect(answer.status == 200)
                try await reader.wait(
                    for: {
                        try await $0.search(["text": .string("afterwards \(id)"), "limit": 1, "recency_boost": false])
                    },
                    until: { $0.ids == [id] })
                try await expectFound("afterwards \(id)", id, by: reader, total: count)
            }
        }
    }

    private static func dropOld(_ oldSettings: [String: String], _ newSettings: [String: String]) async throws {
        let dropped = try await ServerProcess.command(["reembed", "--drop-others"], newSettings)
        #expect(dropped.status == 0, "\(dropped.output)")
        #expect(dropped.output.contains("removed the vectors of local/hashing-64"), "\(dropped.output)")
        let old = try await ServerProcess.command(
            ["api"], oldSettings.merging(["EMBEDDING_MODEL": "local/hashing-64", "PORT": "0"]) { $1 })
        #expect(old.status == 1 && old.output.contains("fake-model"), "\(old.output)")
        try await ServerProcess.run(newSettings) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            for (text, id) in [("changed 0", "m0"), ("afterwards m500", "m500"), (text(400), "m400")] {
                try await expectFound(text, id, by: server.client, total: count)
            }
        }
    }

    @Test func `a backend that cannot is refused`() async throws {
        let (status, output) = try await ServerProcess.command(
            ["reembed"], ["MEMORY_VECTOR_DB_FACTORY": "reference", "EMBEDDING_MODEL": "local/hashing-64"])
        #expect(status == 1)
        #expect(output.contains("MEMORY_VECTOR_DB_FACTORY=reference"), "\(output)")
    }

    @Test(arguments: Store.allCases)
    func `a failure of the model is named`(_ store: Store) async throws {
        let oldSettings = try store.environment()
        try await FakeEmbeddingsServer.run(["--dimensions", "64"]) { embeddings in
            let settings = Self.newModel(oldSettings, embeddings).merging(["EMBEDDING_DEADLINE_SECONDS": "2"]) { $1 }
            try await ServerProcess.run(oldSettings) { server in
                try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                #expect(try await server.client.create([Self.memory("a", "tea")]).status == 200)
                try await embeddings.control(["mode": "status", "status": 500])
                let failed = try await ServerProcess.command(["reembed"], settings)
                #expect(failed.status == 1, "\(failed.output)")
                #expect(failed.output.contains("fake-model"), "\(failed.output)")
                try await embeddings.control(["mode": "ok"])
                let done = try await ServerProcess.command(["reembed"], settings)
                #expect(done.status == 0, "\(done.output)")
            }
        }
    }
}
