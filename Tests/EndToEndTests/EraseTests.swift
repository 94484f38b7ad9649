import AgentMemory
import FakeEmbeddings
import Foundation
import TestSupport
import Testing

/// Erasures on each store, with a look at all bytes that are left.
@Suite(.tags(.server)) struct EraseTests {
    /// Texts that are found nowhere else.
    private struct Person {
        let user: String
        let word: String
        let prefix: String

        init(_ name: String) {
            let unique = UUID().uuidString.prefix(8).lowercased()
            user = "\(name):\(unique)*"
            word = "word\(unique)"
            prefix = "id\(unique)"
        }

        var marks: [String] { [user, word, prefix] }

        func memory(_ number: Int, in session: String? = nil) -> JSONValue {
            var memory: JSONObject = [
                "id": .string("\(prefix)-\(number)"), "text": .string("\(word) number \(number)"),
                "user_id": .string(user), "namespace": "n", "metadata": ["source": .string(word)],
            ]
            if let session { memory["session_id"] = .string(session) }
            return .object(memory)
        }

        var path: String { user.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "" }
        func id(_ number: Int) -> String { "/v1/long-term-memory/\(prefix)-\(number)" }
    }

    private func environment(_ store: Store, _ service: FakeEmbeddingsServer) throws -> [String: String] {
        var environment = try store.environment()
        for (name, value) in [
            "GENERATION_MODEL": "gpt-test", "FAST_MODEL": "gpt-test", "CHAT_API_BASE": service.baseURL,
            "EXTRACTION_DEBOUNCE_SECONDS": "3600", "JOB_POLL_SECONDS": "0.1", "JOB_LEASE_SECONDS": "1",
        ] { environment[name] = value }
        return environment
    }

    @Test(arguments: Store.allCases)
    func `no byte of a person is left, and nothing of another one is touched`(_ store: Store) async throws {
        let (ada, bob) = (Person("ada"), Person("bob"))
        try await FakeEmbeddingsServer.run { service in
            try await service.control([
                "mode": "answers",
                "answers": [["when": "Write a concise summary", "text": "A person in short."]] as [[String: String]],
            ])
            let environment = try environment(store, service)
            try await ServerProcess.run(environment) { server in
                let api = server.client
                try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                for person in [ada, bob] {
                    try await live(person, api)
                    try await summarize(person, api)
                }
                let before = try await state(of: bob, api)
                let places = try await store.places(of: ada.marks, environment)
                let expected =
                    store == .redis ? ["_events", "_claim:", "_deleted"] : ["memory_events", "memory_deletions"]
                for part in expected + ["jobs", "documents"] {
                    #expect(places.contains { $0.contains(part) }, "the scan does not see \(part): \(places)")
                }
                let answer = try await api.send(.post, "/v1/erase", ["user_id": ["eq": .string(ada.user)]])
                #expect(answer.status == 200 && answer.json["status"] == "success", "\(answer.json.jsonText)")
                let erased = answer.json["erased"]
                #expect(erased?["memories"] == 5 && erased?["sessions"] == 1, "\(answer.json.jsonText)")
                for kind in ["events", "jobs", "documents", "tasks"] {
                    #expect(erased?[kind]?.intValue ?? 0 > 0, "\(kind): \(answer.json.jsonText)")
                }
                let left = try await store.places(of: ada.marks, environment)
                #expect(left == [], "\(left)")
                #expect(try await state(of: bob, api) == before)
                let events = try await api.send(.get, "/v1/events?limit=1000").json["events"]?.arrayValue ?? []
                #expect(events.last?["kind"] == "erased" && events.last?["user_id"] == .null)
                // What is written now is new, and its event has a number of its own.
                #expect(try await api.create([ada.memory(1)]).status == 200)
                let last = try await api.send(
                    .get, "/v1/events?after=\(events.last?["sequence"]?.intValue ?? 0)"
                ).json["events"]?.arrayValue
                #expect(last?.count == 1 && last?.first?["kind"] == "added")
            }
        }
    }

    /// Leaves something of a person in every part of the store.
    private func live(_ person: Person, _ api: RESTClient) async throws {
        #expect(try await api.create((0..<4).map { person.memory($0) }, deduplicate: true).status == 200)
        #expect(
            try await api.send(.patch, person.id(1), ["text": .string("\(person.word) as edited")]).status == 200)
        #expect(try await api.send(.delete, "/v1/long-term-memory?memory_ids=\(person.prefix)-0").status == 200)
        let session: JSONValue = [
            "user_id": .string(person.user), "namespace": "n",
            "messages": [
                ["role": "user", "content": .string("\(person.word) said"), "id": .string("\(person.prefix)-m")]
            ],
            "memories": [person.memory(10), person.memory(11)],
        ]
        let put = try await api.send(.put, "/v1/working-memory/s", session)
        #expect(put.status == 200, "\(put.json.jsonText)")
        try await api.wait(
            for: { try await $0.list(["user_id": ["eq": .string(person.user)]]) }, until: { $0.total == 5 })
    }

    /// Has the language model summarise a person.
    private func summarize(_ person: Person, _ api: RESTClient) async throws {
        let view = try await api.send(
            .post, "/v1/summary-views",
            ["source": "long_term", "group_by": ["user_id"], "filters": ["user_id": .string(person.user)]])
        let path = "/v1/summary-views/\(view.json["id"]?.stringValue ?? "")"
        let task = try await api.send(.post, "\(path)/run", ["force": true])
        try await api.wait(for: { try await $0.send(.get, "/v1/tasks/\(task.json["id"]?.stringValue ?? "")") }) {
            $0.json["status"] == "success"
        }
    }

    /// What a client sees of a person.
    private func state(of person: Person, _ api: RESTClient) async throws -> [JSONValue] {
        var state = [
            try await api.list(["user_id": ["eq": .string(person.user)]]).json,
            try await api.send(.get, "/v1/working-memory/s?user_id=\(person.path)&namespace=n").json,
        ]
        for number in [0, 1, 2, 10] { state.append(try await api.send(.get, "\(person.id(number))/history").json) }
        return state
    }

    @Test func `a tenant erases its own where the database limits transactions too`() async throws {
        let (ada, bob) = (Person("ada"), Person("bob"))
        try await Store.withRowSecurity { environment in
            var environment = environment
            environment["JOB_POLL_SECONDS"] = "0.1"
            var secrets: [String] = []
            for person in [ada, bob] {
                let secret = AccessToken.newSecret()
                secrets.append(secret)
                let added = try await ServerProcess.command(
                    [
                        "token", "add", "-d", "tenant", "--token=\(secret)", "--user", person.user, "--rights",
                        "read,write,admin",
                    ], environment)
                try #require(added.status == 0, "\(added.output)")
            }
            environment["AUTH_MODE"] = "token"
            try await ServerProcess.run(environment) { server in
                try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                let tenants = secrets.map { RESTClient(server.url, credentials: ["Authorization": "Bearer \($0)"]) }
                try await live(ada, tenants[0])
                try await live(bob, tenants[1])
                let before = try await state(of: bob, tenants[1])
                let erase: JSONValue = ["user_id": ["eq": .string(ada.user)]]
                #expect(try await tenants[1].send(.post, "/v1/erase", erase).status == 403)
                let answer = try await tenants[0].send(.post, "/v1/erase", erase)
                let task = "/v1/tasks/\(answer.json["id"]?.stringValue ?? "")"
                try await tenants[0].wait(for: { try await $0.send(.get, task) }) { $0.json["status"] == "success" }
                #expect(try await state(of: bob, tenants[1]) == before)
                // A scan that row security does not limit. Tokens go on naming their users.
                let marks = [ada.word, ada.prefix]
                var scanned = environment
                scanned["DATABASE_URL"] = try Store.pgvector.environment()["DATABASE_URL"]
                #expect(try await Store.pgvector.places(of: marks, scanned) == [])
                #expect(try await !Store.pgvector.places(of: [bob.word], scanned).isEmpty)
            }
        }
    }

    @Test(arguments: Store.allCases)
    func `an erasure that was killed goes on`(_ store: Store) async throws {
        let ada = Person("ada")
        var environment = try store.environment()
        environment["JOB_POLL_SECONDS"] = "0.1"
        let erase: JSONValue = ["user_id": ["eq": .string(ada.user)]]
        try await ServerProcess.runAndKill(environment) { server in
            let api = server.client
            try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            for start in stride(from: 0, to: 3000, by: 500) {
                #expect(try await api.create((start..<start + 500).map { ada.memory($0) }).status == 200)
            }
            let request = Task { _ = try? await api.send(.post, "/v1/erase", erase) }
            defer { request.cancel() }
            try await api.wait(for: { try await $0.send(.get, "/v1/tasks") }) { answer in
                answer.json.arrayValue?.first?["erased"]?["memories"]?.intValue ?? 0 > 0
            }
        }
        try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.send(.get, "/v1/tasks") }) { answer in
                answer.json.arrayValue?.first?["status"] == "success"
            }
            #expect(try await store.places(of: ada.marks, environment) == [])
        }
    }
}
