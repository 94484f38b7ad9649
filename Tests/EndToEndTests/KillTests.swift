import AgentMemory
import Foundation
import Synchronization
import TestSupport
import Testing

/// The server is killed again and again while sessions are written and promoted memories deleted.
/// What clients were told holds: nothing that was deleted comes back, and nothing that a session
/// holds stays out of long-term memory.
@Suite(.tags(.server)) struct KillTests {
    /// How often each store's server is killed; TEST_KILLS says otherwise.
    private static let kills = ProcessInfo.processInfo.environment["TEST_KILLS"].flatMap { Int($0) } ?? 3

    /// What clients know.
    private final class Ledger: Sendable {
        private struct State {
            /// Every session that a PUT was sent for, and whether it was answered.
            var sessions: [String: Bool] = [:]
            var deleted: Set<String> = []
            /// Stored when the server was killed, and to be deleted as soon as there is one again.
            var doomed: String?
        }

        private let state = Mutex(State())

        var sessions: [String: Bool] { state.withLock(\.sessions) }
        var deleted: [String] { state.withLock { $0.deleted.sorted() } }

        func sent(_ session: String) { state.withLock { $0.sessions[session] = $0.sessions[session] ?? false } }
        func answered(_ session: String) { state.withLock { $0.sessions[session] = true } }
        func doom(_ id: String) { state.withLock { $0.doomed = id } }
        func takeDoomed() -> String? {
            state.withLock { state in
                defer { state.doomed = nil }
                return state.doomed
            }
        }
        func deleted(_ id: String) { state.withLock { _ = $0.deleted.insert(id) } }
        /// These are known to be whole.
        func settled(_ sessions: some Sequence<String>) {
            state.withLock { state in for session in sessions { state.sessions[session] = nil } }
        }
    }

    private static let memoriesPerSession = 3

    private static func memories(_ session: String) -> JSONValue {
        .array(
            (0..<memoriesPerSession).map { number in
                ["id": .string("\(session)-\(number)"), "text": .string("text \(number) of \(session)")]
            })
    }

    @Test(arguments: Store.allCases)
    func `nothing deleted comes back and nothing stays unpromoted`(_ store: Store) async throws {
        var environment = try store.environment()
        // A worker that died keeps others from its jobs no longer than this.
        environment["JOB_LEASE_SECONDS"] = "2"
        environment["JOB_POLL_SECONDS"] = "0.1"
        let ledger = Ledger()
        for round in 0..<Self.kills {
            let writers = Mutex<[Task<Void, Never>]>([])
            try await ServerProcess.runAndKill(environment) { server in
                try await Self.settle(server.client, ledger)
                let api = server.client
                writers.withLock { writers in
                    writers = (0..<2).map { writer in
                        Task { await Self.writeUntilTheServerIsGone(api, "r\(round)w\(writer)", ledger) }
                    }
                }
                try await Self.promote(api, "r\(round)d", ledger)
                // The job that stored it is perhaps not ended yet: killed now, it runs again when
                // its lease ends, after the deletion.
                if round % 2 == 1 { try await Self.deleteDoomed(api, ledger) }
            }
            for writer in writers.withLock(\.self) { await writer.value }
        }
        try await ServerProcess.run(environment) { server in
            try await Self.settle(server.client, ledger)
            #expect(ledger.sessions.isEmpty)
            // A job may have been done twice when its worker died after the marks: so look once
            // more when none is left.
            try await Self.untilNoJobIsLeft(environment)
            try await Self.expectDeleted(server.client, ledger)
        }
        #expect(ledger.deleted.count == Self.kills)
    }

    /// Stores a memory by way of a session, and returns the moment that it can be seen.
    private static func promote(_ api: RESTClient, _ session: String, _ ledger: Ledger) async throws {
        try await put(api, session, ledger)
        let id = "\(session)-1"
        try await api.wait(for: { try await $0.send(.get, "/v1/long-term-memory/\(id)") }, until: { $0.status == 200 })
        ledger.doom(id)
    }

    private static func deleteDoomed(_ api: RESTClient, _ ledger: Ledger) async throws {
        guard let id = ledger.takeDoomed() else { return }
        let answer = try await api.send(.delete, "/v1/long-term-memory?memory_ids=\(id)")
        #expect(answer.json["status"] == "ok, deleted 1 memories")
        ledger.deleted(id)
    }

    private static func writeUntilTheServerIsGone(_ api: RESTClient, _ name: String, _ ledger: Ledger) async {
        do {
            for number in 0... { try await put(api, "\(name)n\(number)", ledger) }
        } catch {
            // The server was killed.
        }
    }

    private static func put(_ api: RESTClient, _ session: String, _ ledger: Ledger) async throws {
        ledger.sent(session)
        let answer = try await api.send(
            .put, "/v1/working-memory/\(session)", ["user_id": "u", "memories": memories(session)])
        guard answer.status == 200 else { throw MemoryError(.storeUnavailable, answer.detail) }
        ledger.answered(session)
    }

    /// Waits until every session that is there has all of its memories promoted, and looks for what
    /// was deleted.
    private static func settle(_ api: RESTClient, _ ledger: Ledger) async throws {
        try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
        try await deleteDoomed(api, ledger)
        let sessions = ledger.sessions
        for (session, isAnswered) in sessions {
            try await api.wait(
                for: { try await $0.send(.get, "/v1/working-memory/\(session)?user_id=u") },
                until: { answer in
                    // A PUT that was not answered may not have been done; then nothing of it is
                    // there.
                    if answer.status == 404 { return !isAnswered }
                    let marks = answer.json["memories"]?.arrayValue ?? []
                    return marks.count == memoriesPerSession
                        && marks.allSatisfy { $0["persisted_at"]?.stringValue != nil }
                })
        }
        ledger.settled(sessions.keys)
        let deleted = Set(ledger.deleted)
        var expected: [String] = []
        for session in sessions.keys where try await exists(api, session) {
            expected += (0..<memoriesPerSession).map { "\(session)-\($0)" }.filter { !deleted.contains($0) }
        }
        for start in stride(from: 0, to: expected.count, by: 100) {
            let ids = expected[start..<min(start + 100, expected.count)]
            let count = try await api.count(["id": ["any": .array(ids.map { .string($0) })]])
            #expect(count == ids.count, "what is marked as stored is stored")
        }
        try await expectDeleted(api, ledger)
    }

    private static func exists(_ api: RESTClient, _ session: String) async throws -> Bool {
        try await api.send(.get, "/v1/working-memory/\(session)?user_id=u").status == 200
    }

    private static func expectDeleted(_ api: RESTClient, _ ledger: Ledger) async throws {
        let deleted = ledger.deleted
        if deleted.isEmpty { return }
        let found = try await api.list(["id": ["any": .array(deleted.map { .string($0) })], "limit": 100])
        #expect(found.status == 200, "\(found.detail)")
        #expect(found.ids == [], "deleted, and there again")
    }

    private static func untilNoJobIsLeft(_ environment: [String: String]) async throws {
        var output = ""
        try await eventually("no job is left: \(output)") {
            output = try await ServerProcess.command(["jobs", "list"], environment).output
            return output.contains("waiting 0, leased 0, dead 0")
        }
    }
}
