import AgentMemory
import FakeEmbeddings
import Foundation
import TestSupport
import Testing

/// What the server derives with a language model, on each store.
@Suite(.tags(.server)) struct DerivationTests {
    private func environment(_ store: Store, _ service: FakeEmbeddingsServer) throws -> [String: String] {
        var environment = try store.environment()
        for (name, value) in [
            "GENERATION_MODEL": "gpt-test", "FAST_MODEL": "gpt-test", "CHAT_API_BASE": service.baseURL,
            "EMBEDDING_MODEL": "local/hashing-64", "EXTRACTION_DEBOUNCE_SECONDS": "0.2", "JOB_POLL_SECONDS": "0.1",
            "JOB_LEASE_SECONDS": "1",
        ] { environment[name] = value }
        return environment
    }

    private static let extraction: [String: any Sendable] = [
        "mode": "answers",
        "answers": [
            [
                "when": "Compare short memories",
                "text":
                    #"{"groups": [{"relation": "same", "memories": [1, 2], "text": "User likes tea.", "current": null}]}"#,
            ],
            [
                "when": "Ada lives in Porto",
                "text": #"{"memories": [{"memory": "m1", "topics": ["home"], "entities": ["Ada, her", "Porto"]}]}"#,
            ],
            ["when": "Say for each memory", "text": #"{"memories": []}"#],
            // Of three messages two memories of one fact.
            [
                "when": "] Saturday 2024-05-04T10:00:00Z user: number 2",
                "text":
                    #"{"memories": [{"text": "User likes tea a lot", "topics": ["tea"], "from": [1, 2]}, {"text": "user likes tea a lot", "topics": ["tea"], "from": [3]}]}"#,
            ],
            ["when": "Extract memories", "text": #"{"memories": [{"text": "User likes tea.", "topics": ["tea"]}]}"#],
            ["when": "Keep a short summary", "text": "They spoke at length."],
            ["when": "Write a concise summary", "text": "A person who likes tea."],
        ] as [[String: String]],
    ]

    private func message(_ id: String, _ content: String = "I like tea") -> JSONValue {
        ["id": .string(id), "role": "user", "content": .string(content), "created_at": "2024-05-04T10:00:00Z"]
    }

    @Test(arguments: Store.allCases)
    func `memories, summaries and views come from a conversation`(_ store: Store) async throws {
        try await FakeEmbeddingsServer.run { service in
            try await service.control(Self.extraction)
            try await ServerProcess.run(try environment(store, service)) { server in
                let api = server.client
                try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                #expect(try await api.ready().json["components"]?["documents"]?["status"] == "ok")
                // Memories.
                let session: JSONValue = [
                    "user_id": "u", "namespace": "n", "messages": [message("m0"), message("m1")],
                ]
                #expect(try await api.send(.put, "/v1/working-memory/s", session).status == 200)
                try await api.wait(for: { try await $0.list([:]) }, until: { $0.total == 1 })
                let record = try await api.list([:]).json["memories"]?.arrayValue?.first
                #expect(
                    record?["text"] == "User likes tea." && record?["user_id"] == "u" && record?["namespace"] == "n")
                #expect(record?["extracted_from"] == ["m0", "m1"] && record?["session_id"] == "s")
                try await api.wait(
                    for: { try await $0.send(.get, "/v1/working-memory/s?user_id=u&namespace=n") },
                    until: { answer in
                        (answer.json["messages"]?.arrayValue ?? []).allSatisfy {
                            $0["discrete_memory_extracted"] == "t"
                        }
                    })
                // Topics and entities of a memory without any.
                #expect(
                    try await api.create([["id": "plain", "text": "Ada lives in Porto", "namespace": "other"]]).status
                        == 200)
                try await api.wait(
                    for: { try await $0.send(.get, "/v1/long-term-memory/plain") },
                    until: { $0.json["topics"] == ["home"] && $0.json["entities"] == ["Ada her", "Porto"] })
                // A summary.
                let long = (0..<12).map { message("l\($0)", "number \($0) " + String(repeating: "word ", count: 50)) }
                let path = "/v1/working-memory/long?context_window_max=500"
                let put = try await api.send(.put, path, ["messages": .array(long)])
                #expect(put.status == 200 && put.json["context"]?.isNull == true)
                try await api.wait(
                    for: { try await $0.send(.get, "/v1/working-memory/long") },
                    until: { $0.json["context"] == "They spoke at length." })
                #expect(
                    try await api.send(.get, "/v1/working-memory/long").json["messages"]?.arrayValue?.count == 12)
                #expect(try await api.send(.delete, "/v1/working-memory/long").status == 200)
                // A view.
                let view = try await api.send(
                    .post, "/v1/summary-views",
                    ["source": "long_term", "group_by": ["user_id"], "filters": ["namespace": "n"]])
                #expect(view.status == 200, "\(view.detail)")
                let id = view.json["id"]?.stringValue ?? ""
                let partition = try await api.send(
                    .post, "/v1/summary-views/\(id)/partitions/run", ["group": ["user_id": "u"]])
                #expect(partition.json["summary"] == "A person who likes tea." && partition.json["memory_count"] == 1)
                let task = try await api.send(
                    .post, "/v1/summary-views/\(id)/run", ["force": true, "task_id": "a/b c"])
                #expect(task.json["status"] == "pending")
                try await api.wait(
                    for: { try await $0.send(.get, "/v1/tasks/a/b%20c") }, until: { $0.json["status"] == "success" })
                let partitions = try await api.send(.get, "/v1/summary-views/\(id)/partitions?user_id=u")
                #expect(partitions.json.arrayValue?.count == 1)
                #expect(try await api.send(.get, "/v1/summary-views").json.arrayValue?.count == 1)
                #expect(
                    try await api.send(.put, "/v1/summary-views/\(id)", ["source": "long_term", "name": "all"])
                        .json["name"] == "all")
                #expect(try await api.send(.delete, "/v1/summary-views/\(id)").json["status"] == "ok")
                #expect(try await api.send(.get, "/v1/summary-views/\(id)").status == 404)
                #expect(try await api.send(.get, "/v1/summary-views/\(id)/partitions").status == 404)
                // What no id can be is not found, on every store.
                for path in ["summary-views/%00", "summary-views/%00/partitions", "tasks/%00"] {
                    #expect(try await api.send(.get, "/v1/\(path)").status == 404, "\(path)")
                }
                #expect(try await api.send(.post, "/v1/operations/%00/undo", [:]).status == 404)
            }
        }
    }

    @Test(arguments: Store.allCases)
    func `a server that is killed while the model works extracts once when it is back`(_ store: Store) async throws {
        try await FakeEmbeddingsServer.run { service in
            let environment = try environment(store, service)
            try await service.control(["mode": "hang"])
            try await ServerProcess.runAndKill(environment) { server in
                try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                let put = try await server.client.send(.put, "/v1/working-memory/s", ["messages": [message("m0")]])
                #expect(put.status == 200)
                _ = try await service.stats(once: "prompts=1")
            }
            try await service.control(Self.extraction)
            try await ServerProcess.run(environment) { server in
                let api = server.client
                try await api.wait(for: { try await $0.list([:]) }, until: { $0.total == 1 })
                try await api.wait(
                    for: { try await $0.send(.get, "/v1/working-memory/s") },
                    until: { $0.json["messages"]?.arrayValue?.first?["discrete_memory_extracted"] == "t" })
            }
            #expect(try await service.stats().chats == 2)
        }
    }

    /// How often each store's server is killed while the model works; TEST_KILLS says otherwise.
    private static let kills = ProcessInfo.processInfo.environment["TEST_KILLS"].flatMap { Int($0) } ?? 1

    @Test(arguments: Store.allCases)
    func `a server that is killed again and again derives everything once`(_ store: Store) async throws {
        try await FakeEmbeddingsServer.run { service in
            var environment = try environment(store, service)
            for (name, value) in [
                "COMPACT_SEMANTIC_DUPLICATES": "false", "EXTRACTION_DEBOUNCE_SECONDS": "0", "JOB_ATTEMPTS": "1000",
                // The jobs of killed servers are taken over, and wait for the silent model with the
                // new one.
                "JOB_CONCURRENCY": "200", "LLM_CONCURRENCY": "200",
            ] { environment[name] = value }
            let answers = (0..<Self.kills).map { round in
                [
                    "when": "says number \(round).",
                    "text": #"{"memories": [{"text": "fact \#(round)", "topics": ["t"], "from": [1]}]}"#,
                ]
            }
            for round in 0..<Self.kills {
                // Killed while the model is silent, and around the time of its answer.
                if round % 2 == 0 {
                    try await service.control(["mode": "hang"])
                } else {
                    try await service.control(["mode": "answers", "answers": answers, "delay_ms": 5])
                }
                try await ServerProcess.runAndKill(environment) { server in
                    try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                    let asked = try await service.stats().chats
                    let put = try await server.client.send(
                        .put, "/v1/working-memory/s\(round)",
                        ["namespace": "n", "messages": [message("m\(round)", "says number \(round).")]])
                    #expect(put.status == 200)
                    _ = try await service.stats(once: "prompts=\(asked + 1)")
                    if round % 2 == 1 { try await Task.sleep(for: .milliseconds(round % 9)) }
                }
            }
            try await service.control(["mode": "answers", "answers": answers, "delay_ms": 0])
            try await ServerProcess.run(environment) { server in
                let api = server.client
                for round in 0..<Self.kills {
                    try await api.wait(
                        for: { try await $0.send(.get, "/v1/working-memory/s\(round)?namespace=n") },
                        within: .seconds(60),
                        until: { $0.json["messages"]?.arrayValue?.first?["discrete_memory_extracted"] == "t" })
                }
                let records = try await api.list(["limit": 100]).json["memories"]?.arrayValue ?? []
                let texts = records.compactMap { $0["text"]?.stringValue }.sorted()
                #expect(texts == (0..<Self.kills).map { "fact \($0)" }.sorted())
                for record in records {
                    let id = record["id"]?.stringValue ?? ""
                    let history = try await api.send(.get, "/v1/long-term-memory/\(id)/history")
                    #expect(history.json["events"]?.arrayValue?.count == 1)
                }
            }
        }
    }

    @Test func `a model that is down holds up nothing, and the work is done when it is back`() async throws {
        // A port where nothing listens.
        let port = try await FakeEmbeddingsServer.run { $0.port }
        var environment = try Store.redis.environment()
        for (name, value) in [
            "GENERATION_MODEL": "gpt-test", "FAST_MODEL": "gpt-test", "CHAT_API_BASE": "http://127.0.0.1:\(port)/v1",
            "EMBEDDING_MODEL": "local/hashing-64", "EXTRACTION_DEBOUNCE_SECONDS": "0.1", "JOB_POLL_SECONDS": "0.1",
            "LLM_TIMEOUT_SECONDS": "30",
        ] { environment[name] = value }
        try await ServerProcess.run(environment) { server in
            let api = server.client
            try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            func work(_ round: Int) async throws {
                let put = try await api.send(.put, "/v1/working-memory/s\(round)", ["messages": [message("m0")]])
                #expect(put.status == 200)
                #expect(
                    try await api.create([["id": .string("a\(round)"), "text": "User likes tea a lot"]]).status == 200)
                #expect(
                    try await api.create([["id": .string("b\(round)"), "text": "user likes tea a lot"]]).status == 200)
                let found = try await api.send(
                    .post, "/v1/long-term-memory/search?optimize_query=true", ["text": "tea", "limit": 100])
                #expect(found.status == 200 && found.ids.contains("b\(round)"))
            }
            let start = ContinuousClock.now
            try await work(0)
            // Far less than the deadline of one attempt.
            #expect(ContinuousClock.now - start < .seconds(15))
            try await FakeEmbeddingsServer.run(["--port", "\(port)"]) { service in
                try await service.control(Self.extraction)
                // The facts of the session, and one of two memories of the same meaning.
                try await api.wait(for: { try await $0.list([:]) }, within: .seconds(60), until: { $0.total == 2 })
                try await api.wait(
                    for: { try await $0.send(.get, "/v1/working-memory/s0") },
                    until: { $0.json["messages"]?.arrayValue?.first?["discrete_memory_extracted"] == "t" })
            }
        }
    }

    @Test(arguments: Store.allCases)
    func `nothing crosses the tenants of a hundred sessions with equal ids and texts`(_ store: Store) async throws {
        try await FakeEmbeddingsServer.run { service in
            try await service.control(Self.extraction)
            var environment = try environment(store, service)
            environment["LLM_CONCURRENCY"] = "16"
            environment["JOB_CONCURRENCY"] = "16"
            try await ServerProcess.run(environment) { server in
                let api = server.client
                try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                let tenants: [(namespace: String?, user: String?)] = [("n", "u"), ("n", "v"), ("m", "u"), (nil, nil)]
                let long = (0..<3).map { message("m\($0)", "number \($0) " + String(repeating: "word ", count: 50)) }
                for session in 0..<25 {
                    for tenant in tenants {
                        var body: JSONValue = ["messages": .array(long)]
                        if case .object(var object) = body {
                            if let namespace = tenant.namespace { object["namespace"] = .string(namespace) }
                            if let user = tenant.user { object["user_id"] = .string(user) }
                            body = .object(object)
                        }
                        let path = "/v1/working-memory/s\(session)?context_window_max=100"
                        #expect(try await api.send(.put, path, body).status == 200)
                    }
                }
                // Two memories of each session, which are united.
                func settled(_ answer: RESTClient.Answer) -> Bool {
                    let memories = answer.json["memories"]?.arrayValue ?? []
                    return answer.total == 100 && memories.allSatisfy { $0["text"] == "User likes tea." }
                }
                try await api.wait(for: { try await $0.list(["limit": 100]) }, within: .seconds(90), until: settled)
                let memories = try await api.list(["limit": 100]).json["memories"]?.arrayValue ?? []
                let owners = memories.map { memory in
                    ["namespace", "user_id", "session_id"].map { memory[$0]?.stringValue ?? "" }.joined(separator: "|")
                }
                #expect(Set(owners).count == 100)
                #expect(memories.allSatisfy { $0["extracted_from"]?.arrayValue?.count == 3 })
                // Each session has its own summary.
                for tenant in tenants {
                    var query = "?"
                    if let namespace = tenant.namespace { query += "namespace=\(namespace)&" }
                    if let user = tenant.user { query += "user_id=\(user)" }
                    guard tenant.namespace != nil else { continue }
                    try await api.wait(
                        for: { try await $0.send(.get, "/v1/working-memory/s0\(query)") },
                        until: { $0.json["context"] == "They spoke at length." })
                }
                // No change of a memory has to do with those of others.
                let events = try await api.send(.get, "/v1/events?limit=1000").json["events"]?.arrayValue ?? []
                let merges = events.filter { $0["kind"] == "merged" }
                for (operation, changes) in Dictionary(grouping: merges, by: { $0["operation"]?.stringValue ?? "" }) {
                    let owners = Set(
                        changes.map { "\($0["namespace"]?.jsonText ?? "")|\($0["user_id"]?.jsonText ?? "")" })
                    #expect(owners.count == 1, "\(operation)")
                }
                #expect(merges.count == 200)
            }
        }
    }

    @Test func `a prompt of a session's own is checked at the write`() async throws {
        try await FakeEmbeddingsServer.run { service in
            var environment = try environment(.redis, service)
            environment["MEMORY_VECTOR_DB_FACTORY"] = "reference"
            try await ServerProcess.run(environment) { server in
                let answer = try await server.client.send(
                    .put, "/v1/working-memory/s",
                    [
                        "messages": [message("m0")],
                        "long_term_memory_strategy": ["strategy": "custom", "config": ["custom_prompt": "hello"]],
                    ])
                #expect(answer.status == 422, "\(answer.detail)")
                #expect(
                    answer.json["detail"]?.arrayValue?.first?["loc"] == [
                        "body", "long_term_memory_strategy", "config", "custom_prompt",
                    ])
            }
        }
    }
}
