import AgentMemory
import MemoryConformance
import TestSupport
import Testing

@testable import MemoryService

/// Two processes write the same memories at the same time: the events tell of every change, in the
/// order in which they were made.
struct TwoWriters {
    let place: HistoryKeepingHarness.Place

    func run() async throws {
        let stores = try await HistoryKeepingHarness(place: place).stores()
        let backend = KeepingDatabase(embedder: SteeredEmbedder())
        try await withClosing {
            let servers = (0..<2).map { _ in
                HistoryKeepingDatabase(
                    backend, events: stores.events, deletions: stores.jobs, leaseDuration: .seconds(30),
                    logger: HistoryKeepingHarness.logger)
            }
            let ids = ["a", "b", "c"]
            _ = try await servers[0].add(ids.map { try MemoryRecord(id: $0, text: "[1] \($0)") })
            let rounds = 6
            try await withThrowingTaskGroup { group in
                for writer in 0..<4 {
                    group.addTask {
                        for round in 0..<rounds {
                            let server = servers[writer % 2]
                            let changes = try RecordChanges(text: "[2] \(writer) \(round)")
                            // In different orders.
                            let some = writer < 2 ? ids : ids.reversed()
                            let changed = try await server.update(some.map { RecordUpdate(id: $0, changes: changes) })
                            #expect(changed == ids.count)
                        }
                    }
                }
                try await group.waitForAll()
            }
            for id in ids {
                let events = try await servers[1].events(
                    of: id, within: .everything, page: PageRequest(limit: 100)
                ).items
                #expect(events.count == 4 * rounds + 1)
                var state = try await servers[1].stored([id])[ExactString(id)]?.jsonObject
                var texts: Set<String> = []
                for event in events {
                    state?["text"]?.stringValue.map { _ = texts.insert($0) }
                    state = event.undone(from: state)
                }
                #expect(state == nil)
                #expect(texts.count == events.count, "a change is lost")
            }
            // Of two rewrites by one state, one is done.
            let latest = try await servers[0].latestEvents(of: ["a"])[ExactString("a")] ?? 0
            let outcomes = try await withThrowingTaskGroup(of: [String].self) { group in
                for server in servers {
                    group.addTask {
                        try await server.rewrite(
                            [RecordRewrite(id: "a", record: nil, latestEvent: latest)], within: .everything)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.map(\.count).sorted() == [0, 1])
        } close: {
            try await stores.remove()
        }
    }
}
