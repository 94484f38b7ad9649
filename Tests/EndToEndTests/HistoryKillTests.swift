import AgentMemory
import Foundation
import Synchronization
import TestSupport
import Testing

/// The server is killed again and again while memories are written, deleted, forgotten, united and
/// undone: afterwards each memory is what its events say, so no change is there without its event,
/// and no event without its change.
@Suite(.tags(.server)) struct HistoryKillTests {
    /// How often each store's server is killed; TEST_KILLS says otherwise.
    private static let kills = ProcessInfo.processInfo.environment["TEST_KILLS"].flatMap { Int($0) } ?? 3

    private static let ids = (0..<12).map { "m\($0)" }

    @Test(arguments: Store.allCases)
    func `a change and its event are there together`(_ store: Store) async throws {
        try await Self.killAgainAndAgain(try store.environment())
    }

    /// The events are in another store than the memories, so the server itself keeps the two
    /// together.
    @Test(arguments: Store.allCases)
    func `a change of a loaded backend and its event are there together`(_ store: Store) async throws {
        var environment = try await LoadedHistoryTests.environment(try store.environment())
        // What a server leaves behind is settled so long after it died.
        environment["STORE_TIMEOUT_SECONDS"] = "2"
        try await Self.killAgainAndAgain(environment)
    }

    private static func killAgainAndAgain(_ environment: [String: String]) async throws {
        for round in 0..<Self.kills {
            let writers = Mutex<[Task<Void, Never>]>([])
            try await ServerProcess.runAndKill(environment) { server in
                try await Self.expectConsistent(server.client)
                let api = server.client
                let operations = Operations()
                writers.withLock { writers in
                    writers = (0..<3).map { writer in
                        Task { await Self.writeUntilTheServerIsGone(api, 10 * round + writer, operations) }
                    }
                }
                try await api.wait(for: { try await $0.send(.get, "/v1/events?after=\(100 * (round + 1))") }) {
                    $0.json["events"]?.arrayValue?.isEmpty == false
                }
            }
            for writer in writers.withLock(\.self) { await writer.value }
        }
        try await ServerProcess.run(environment) { server in try await Self.expectConsistent(server.client) }
    }

    /// What passes have done, for undoing it.
    private final class Operations: Sendable {
        private let known = Mutex<[String]>([])

        func add(_ answer: RESTClient.Answer) {
            if let operation = answer.json["operation"]?.stringValue { known.withLock { $0.append(operation) } }
        }

        func last() -> String? { known.withLock { $0.popLast() } }
    }

    private static func writeUntilTheServerIsGone(_ api: RESTClient, _ seed: Int, _ operations: Operations) async {
        do {
            for turn in seed... {
                let some = (0..<4).map { ids[(turn * 7 + $0 * 5) % ids.count] }
                switch turn % 6 {
                case 0, 1:
                    _ = try await api.create(
                        Set(some).sorted().map { ["id": .string($0), "text": .string("text \(turn % 5)")] })
                case 2: _ = try await api.send(.patch, "/v1/long-term-memory/\(some[0])", ["text": "edited"])
                case 3:
                    operations.add(try await api.send(.post, "/v1/long-term-memory/compact"))
                case 4:
                    operations.add(
                        try await api.send(
                            .post, "/v1/long-term-memory/forget?dry_run=false", ["policy": ["budget": 4]]))
                default:
                    guard let operation = operations.last() else { continue }
                    operations.add(try await api.send(.post, "/v1/operations/\(operation)/undo", ["force": true]))
                }
            }
        } catch {
            // The server was killed.
        }
    }

    /// The store may finish what a killed server has sent, so that the first look comes too early.
    private static func expectConsistent(_ api: RESTClient) async throws {
        try await eventually(within: .seconds(15), "each memory is what its events say") {
            try await isConsistent(api)
        }
    }

    /// Takes back the events of each memory one by one, in thought.
    private static func isConsistent(_ api: RESTClient) async throws -> Bool {
        for id in ids {
            let answer = try await api.send(.get, "/v1/long-term-memory/\(id)")
            var state = answer.status == 200 ? answer.json.objectValue : nil
            let history = try await api.send(.get, "/v1/long-term-memory/\(id)/history?limit=1000")
            let events = history.json["events"]?.arrayValue ?? []
            #expect(history.json["next_offset"] == .null || history.status == 404)
            for event in events {
                let before = event["before"]?.objectValue
                if (before?["id"] != nil) != (state == nil) { return false }
                for (name, value) in before?.members ?? [] { state?[name] = value }
                if state == nil || before == nil { state = before }
            }
            if state != nil { return false }
        }
        return true
    }
}
