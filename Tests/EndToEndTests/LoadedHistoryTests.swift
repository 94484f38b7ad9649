import AgentMemory
import Foundation
import TestSupport
import Testing

/// The history that the server keeps of a loaded backend, next to sessions and jobs.
@Suite(.tags(.server)) struct LoadedHistoryTests {
    /// Settings of the SQLite example, which keeps what it has stored, with its state in a store.
    ///
    /// - Parameter state: settings of the store.
    static func environment(_ state: [String: String]) async throws -> [String: String] {
        var environment = state
        environment["STATE_STORE_URL"] = environment["REDIS_URL"] ?? environment["DATABASE_URL"]
        environment["REDIS_URL"] = nil
        environment["DATABASE_URL"] = nil
        return environment.merging(try await LoadedBackendTests.Example.swift.environment()) { $1 }
    }

    private static func events(_ api: RESTClient, after sequence: Int = 0) async throws -> [JSONValue] {
        try await api.send(.get, "/v1/events?after=\(sequence)&limit=1000").json["events"]?.arrayValue ?? []
    }

    private static func texts(_ api: RESTClient) async throws -> [String: String] {
        let memories = try await api.list(["limit": 100]).json["memories"]?.arrayValue ?? []
        return Dictionary(
            uniqueKeysWithValues: memories.map { ($0["id"]?.stringValue ?? "", $0["text"]?.stringValue ?? "") })
    }

    @Test(arguments: Store.allCases)
    func `history, restore, undo, forgetting, compaction and erasure`(_ store: Store) async throws {
        let state = try store.environment()
        let environment = try await Self.environment(state)
        // Other tests have the same server.
        let mark = UUID().uuidString
        let (tea, coffee, water) = ("tea \(mark)-ada", "coffee \(mark)-ada", "water \(mark)-bob")
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        var last = 0
        try await ServerProcess.run(environment) { server in
            let api = server.client
            try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            #expect(try await api.ready().json["components"]?["history"]?["status"] == "ok")
            #expect(
                try await api.create([
                    ["id": "a", "text": .string(tea), "user_id": "ada", "session_id": "s"],
                    ["id": "b", "text": .string(coffee), "user_id": "ada"],
                    ["id": "c", "text": .string(water), "user_id": "bob"],
                ]).status == 200)
            #expect(
                try await api.send(.patch, "/v1/long-term-memory/a", ["text": .string("green \(tea)")]).status == 200)
            #expect(try await api.send(.delete, "/v1/long-term-memory?memory_ids=b").status == 200)
            let history = try await api.send(.get, "/v1/long-term-memory/a/history").json["events"]?.arrayValue ?? []
            #expect(history.map { $0["kind"]?.stringValue } == ["changed", "added"])
            #expect(history.first?["before"]?["text"]?.stringValue == tea)
            let deleted = try await api.send(.get, "/v1/long-term-memory/b/history").json["events"]?.arrayValue ?? []
            #expect(deleted.map { $0["kind"]?.stringValue } == ["deleted", "added"])
            let added = deleted.last?["sequence"]?.intValue ?? 0
            let restored = try await api.send(.post, "/v1/long-term-memory/b/restore", ["to": .int(added)])
            #expect(restored.status == 200, "\(restored.detail)")
            #expect(try await Self.texts(api) == ["a": "green \(tea)", "b": coffee, "c": water])
            // What the feed has is in order, and each event once.
            let feed = try await Self.events(api)
            #expect(
                feed.map { $0["kind"]?.stringValue } == ["added", "added", "added", "changed", "deleted", "restored"])
            let numbers = feed.compactMap { $0["sequence"]?.intValue }
            #expect(numbers == Set(numbers).sorted())
            last = numbers.last ?? 0
        }
        let before = ["a": "green \(tea)", "b": coffee, "c": water]
        // An import by another process is taken back by the server, which has started again.
        try await ServerProcess.run(environment) { server in
            let api = server.client
            try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            #expect(try await Self.events(api, after: last).isEmpty)
            let exported = try await api.send(.get, "/v1/export")
            let created = try await api.create([["id": "d", "text": .string(coffee), "user_id": "ada"]])
            #expect(created.status == 200)
            try Data(exported.text.utf8).write(to: file)
            #expect(try await api.send(.delete, "/v1/long-term-memory?memory_ids=a&memory_ids=c").status == 200)
            let (status, output) = try await ServerProcess.command(
                ["import", "--from", file.path, "--existing", "skip"],
                ServerProcess.defaults.merging(environment) { $1 })
            #expect(status == 0, "\(output)")
            #expect(try await Self.texts(api) == before.merging(["d": coffee]) { $1 })
            let imported = try await Self.events(api, after: last).filter { $0["kind"] == "imported" }
            #expect(imported.compactMap { $0["id"]?.stringValue }.sorted() == ["a", "c"])
            let operation = imported.first?["operation"]?.stringValue ?? ""
            let undone = try await api.send(.post, "/v1/operations/\(operation)/undo")
            #expect(undone.json["undone"] == 2, "\(undone.detail)")
            #expect(try await Self.texts(api) == ["b": coffee, "d": coffee])
            // Two equal texts of one user become one, and two again.
            let compacted = try await api.send(.post, "/v1/long-term-memory/compact")
            #expect(compacted.json["merged"] == 1, "\(compacted.detail)")
            #expect(try await Self.texts(api).count == 1)
            let merging = compacted.json["operation"]?.stringValue ?? ""
            #expect(try await api.send(.post, "/v1/operations/\(merging)/undo").status == 200)
            #expect(try await Self.texts(api) == ["b": coffee, "d": coffee])
            let forgotten = try await api.send(
                .post, "/v1/long-term-memory/forget?dry_run=false", ["policy": ["budget": 0]])
            #expect(try await Self.texts(api).isEmpty, "\(forgotten.detail)")
            let forgetting = forgotten.json["operation"]?.stringValue ?? ""
            #expect(try await api.send(.post, "/v1/operations/\(forgetting)/undo").json["undone"] == 2)
            #expect(try await Self.texts(api) == ["b": coffee, "d": coffee])
            let erased = try await api.send(.post, "/v1/erase", ["user_id": ["eq": "ada"]])
            #expect(erased.json["status"] == "success" && erased.json["erased"]?["memories"] == 2, "\(erased.detail)")
            let left = try await Self.events(api)
            #expect(Set(left.compactMap { $0["user_id"]?.stringValue }) == ["bob"])
            #expect(left.last?["kind"] == "erased")
            #expect(try await store.places(of: ["\(mark)-ada"], state) == [])
            #expect(try await !store.places(of: ["\(mark)-bob"], state).isEmpty)
        }
    }

    @Test func `without a store of state it is in memory, and the log says so`() async throws {
        try await ServerProcess.run(try await LoadedBackendTests.Example.c.environment()) { server in
            let api = server.client
            #expect(try await api.create([["id": "a", "text": "tea"]]).status == 200)
            let history = try await api.send(.get, "/v1/long-term-memory/a/history")
            #expect(history.json["events"]?.arrayValue?.count == 1, "\(history.detail)")
            #expect(server.log.contains("the history of memories are kept in memory"), "\(server.log)")
        }
    }
}
