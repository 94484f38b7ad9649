import AgentMemory
import MemoryConformance
import TestSupport
import Testing

@testable import MemoryService

/// A process dies at each of the calls that its writes make, and each of these calls is done, half
/// done or not done. Another process settles what it has left: each change has its event, and each
/// event its change.
struct CrashSweep {
    let place: HistoryKeepingHarness.Place

    private enum Write: CaseIterable {
        case add, addDistinct, promote, update, delete, rewrite
    }

    private struct Case {
        /// What its ids begin with; the name of its operation.
        let name: String
        let before: [ExactString: MemoryRecord]
        var ids: [String] { ["a", "b", "c", "d"].map { "\(name)-\($0)" } }
    }

    private static let lease = Duration.milliseconds(500)

    func run() async throws {
        let stores = try await HistoryKeepingHarness(place: place).stores()
        let backend = KeepingDatabase(embedder: SteeredEmbedder())
        func open(_ events: any EventStore, _ backend: any MemoryVectorDatabase) -> HistoryKeepingDatabase {
            HistoryKeepingDatabase(
                backend, events: events, deletions: stores.jobs, leaseDuration: Self.lease,
                logger: HistoryKeepingHarness.logger)
        }
        try await withClosing {
            let live = open(stores.events, backend)
            var cases: [Case] = []
            for write in Write.allCases {
                for kind in Death.Kind.allCases {
                    var calls = 0
                    while true {
                        let name = "\(write)-\(kind)-\(calls)"
                        let death = Death(kind, after: calls)
                        let dying = open(DyingEventStore(stores.events, death), DyingBackend(backend, death))
                        cases.append(try await crash(write, name, live, dying))
                        guard death.hasCome else { break }
                        calls += 1
                    }
                    #expect(calls >= 5, "\(write) makes \(calls) calls")
                }
            }
            for one in cases { try await check(one, live, stores.events) }
            let left = try await AccessScope.everything.limiting { try await stores.events.openWrites(.noted) }
            #expect(left.isEmpty)
        } close: {
            try await stores.remove()
        }
    }

    /// - Returns: what there was before.
    private func crash(
        _ write: Write, _ name: String, _ live: HistoryKeepingDatabase, _ dying: HistoryKeepingDatabase
    ) async throws -> Case {
        func record(_ id: String, _ text: String) throws -> MemoryRecord {
            try MemoryRecord(id: "\(name)-\(id)", text: "[1] \(name) \(text)", userID: "u", topics: ["t"])
        }
        let stored = try ["a", "b", "c"].map { try record($0, "\($0) before") }
        _ = try await live.add(stored)
        let latest = try await live.latestEvents(of: stored.map(\.id))
        try await WriteOrigin.$current.withValue(WriteOrigin(operation: name, caller: "ada")) {
            let written = try [record("a", "a after"), record("b", "b after"), record("d", "d after")]
            do {
                switch write {
                case .add: _ = try await dying.add(written)
                case .addDistinct: _ = try await dying.addDistinct(written, within: .everything)
                case .promote:
                    _ = try await dying.promote([record("d", "d after"), record("c", "c after")], handedInAt: .latest)
                case .update:
                    _ = try await dying.update(
                        ["a", "b"].map {
                            RecordUpdate(
                                id: "\(name)-\($0)", changes: try RecordChanges(text: "[2] changed", topics: []))
                        })
                case .delete: _ = try await dying.delete(["a", "b", "d"].map { "\(name)-\($0)" })
                case .rewrite:
                    _ = try await dying.rewrite(
                        ["a", "b", "c", "d"].map { id in
                            RecordRewrite(
                                id: "\(name)-\(id)", record: id < "c" ? try record(id, "rewritten") : nil,
                                latestEvent: latest[ExactString("\(name)-\(id)")] ?? 0)
                        }, within: .everything)
                }
            } catch {
                // The process has died.
            }
        }
        return Case(name: name, before: Dictionary(uniqueKeysWithValues: stored.map { (ExactString($0.id), $0) }))
    }

    private func check(_ one: Case, _ live: HistoryKeepingDatabase, _ events: any EventStore) async throws {
        let made = try await live.events(ofOperation: one.name, after: 0, limit: 100, within: .everything)
        let after = try await live.stored(one.ids)
        for id in one.ids {
            let key = ExactString(id)
            let isChanged = one.before[key] != after[key]
            let own = made.filter { $0.id == id }
            #expect(own.count == (isChanged ? 1 : 0), "\(id)")
            #expect(own.allSatisfy { $0.caller == "ada" })
            let all = try await live.events(of: id, within: .everything, page: PageRequest(limit: 100)).items
            let undone = own.first?.undone(from: after[key]?.jsonObject) ?? (isChanged ? nil : after[key]?.jsonObject)
            #expect(undone == one.before[key]?.jsonObject, "\(id)")
            #expect(all.reduce(after[key]?.jsonObject) { $1.undone(from: $0) } == nil, "\(id)")
        }
        // Nothing holds the memories any more.
        _ = try await live.delete(one.ids)
    }
}
