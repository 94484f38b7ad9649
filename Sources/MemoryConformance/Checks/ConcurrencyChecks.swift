import AgentMemory
import Synchronization

extension ConformanceCheck {
    /// The rules R2, R7, U1 and D1 with 16 concurrent clients that write and read.
    enum ConcurrencyChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "concurrency/R7-writers",
                hint: "records are lost or doubled when several clients write at once, the first ones above all",
                run: writers),
            ConformanceCheck(
                "concurrency/R7-readers-see-whole-calls", needs: [.wholeCalls],
                hint: "a reader sees a part of a call, because its records are written one after the other",
                run: readersSeeWholeCalls),
            ConformanceCheck(
                "concurrency/R7-updates-seen-whole", needs: [.wholeCalls],
                hint: "a reader sees some records of an update changed and others not yet", run: updatesSeenWhole),
            ConformanceCheck(
                "concurrency/R2-replacement-stays-whole",
                hint:
                    "fields of two records that replace the same id at once are mixed, or its words and vector belong to another",
                run: replacementStaysWhole),
            ConformanceCheck(
                "concurrency/U1-different-fields",
                hint: "two updates of different fields overwrite each other: read, change and write in one step",
                run: differentFields),
            ConformanceCheck(
                "concurrency/D1-each-id-once",
                hint:
                    "two deletes of the same id at once both count it: count what was removed, not what was asked for",
                run: eachIdOnce),
        ]

        @Sendable static func writers(_ scope: CheckScope) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<16 {
                    group.addTask {
                        for batch in 0..<5 {
                            _ = try await scope.database.add(
                                try (0..<25).map {
                                    // Every writer also replaces one shared record: batches
                                    // overlap.
                                    try MemoryRecord(
                                        id: $0 == 0 ? "shared\(batch)" : "w\(writer)-\(batch)-\($0)",
                                        text: "[1, \(writer)] word \($0)")
                                })
                        }
                    }
                }
                try await group.waitForAll()
            }
            let expected = 16 * 5 * 24 + 5
            try scope.expect("count", try await scope.database.count(.everything), expected)
            let listed = try await scope.listed()
            try scope.expect("listed", listed.count, expected)
            try scope.expect("listed once", Set(listed).count, expected)
            let near = try await scope.search("[1] word", limit: 10_000)
            try scope.expect("by vector", Set(near.items.map(\.record.id)).count, expected)
            guard scope.hasKeywordSearch else { return }
            let words = try await scope.search("word", .keyword(.bm25std), limit: 1)
            try scope.expect("by word", words.total, expected)
        }

        @Sendable static func readersSeeWholeCalls(_ scope: CheckScope) async throws {
            let (writers, batches, size) = (8, 10, 20)
            let writing = SharedCount(writers)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<writers {
                    group.addTask {
                        for batch in 0..<batches {
                            _ = try await scope.database.add(
                                try (0..<size).map {
                                    try MemoryRecord(
                                        id: "\(writer)-\(batch)-\($0)", text: "[1, 0.\(writer)] word",
                                        userID: "w\(writer)", namespace: "b\(writer)-\(batch)", createdAt: at(0))
                                })
                        }
                        writing.add(-1)
                    }
                }
                for reader in 0..<8 {
                    group.addTask {
                        var seen = 0
                        while writing.value > 0 {
                            let (what, total) = try await look(scope, reader)
                            let whole = total.isMultiple(of: size) && total <= writers * batches * size
                            guard whole, total >= seen else {
                                throw Mismatch(
                                    "\(what) while calls of \(size) records are written",
                                    expected: "whole calls, at least the \(seen) records of before", got: "\(total)")
                            }
                            seen = total
                        }
                    }
                }
                try await group.waitForAll()
            }
            for reader in 0..<8 {
                let (what, total) = try await look(scope, reader)
                try scope.expect("\(what) in the end", total, writers * batches * size)
            }
        }

        @Sendable static func updatesSeenWhole(_ scope: CheckScope) async throws {
            let ids = (0..<20).map { "r\($0)" }
            _ = try await scope.database.add(try ids.map { try MemoryRecord(id: $0, text: "[1] word", userID: "u0") })
            let rounds = 30
            let round = SharedCount(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for next in 1...rounds {
                        let changes = try RecordChanges(userID: .set("u\(next % 2)"))
                        let changed = try await scope.database.update(
                            ids.map { RecordUpdate(id: $0, changes: changes) })
                        try scope.expect("changed", changed, ids.count)
                        round.add(1)
                    }
                }
                for reader in 0..<4 {
                    group.addTask {
                        let filter = try tag(.userID, eq: "u\(reader % 2)")
                        while round.value < rounds {
                            let total =
                                if reader < 2 {
                                    try await scope.database.count(filter)
                                } else {
                                    try await scope.search("[1] q", .semantic(distanceThreshold: nil), filter).total
                                }
                            try scope.expect(
                                "none or all of the records, not \(total)", [0, ids.count].contains(total))
                        }
                    }
                }
                try await group.waitForAll()
            }
        }

        @Sendable static func replacementStaysWhole(_ scope: CheckScope) async throws {
            func version(_ id: String, _ writer: Int, _ round: Int) throws -> MemoryRecord {
                let name = "v\(writer)x\(round)"
                return try MemoryRecord(
                    id: id, text: "[1, \(writer)] \(name)", sessionID: name, userID: writer % 2 == 0 ? name : nil,
                    namespace: name, topics: [name] + (0..<writer).map { "t\($0)" }, entities: [name],
                    metadata: ["version": .string(name)], accessCount: writer, createdAt: at(Int64(writer), 1),
                    eventDate: writer % 3 == 0 ? at(Int64(round)) : nil, now: at(Int64(round)))
            }
            let ids = ["a", "b", "c"]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<16 {
                    group.addTask {
                        for round in 0..<6 {
                            _ = try await scope.database.add(try ids.map { try version($0, writer, round) })
                        }
                    }
                }
                try await group.waitForAll()
            }
            try scope.expect("ids", try await scope.listed().sorted(), ids)
            for id in ids {
                let record = try await scope.record(id)
                let numbers = (record.namespace ?? "").dropFirst().split(separator: "x").compactMap { Int($0) }
                try scope.expect("the record is one of those written", numbers.count, 2)
                try scope.expect("the record", record, try version(id, numbers[0], numbers[1]))
                let filter = try tag(.id, eq: id)
                if scope.scoped.embedsAsGiven {
                    let near = try await scope.search(record.text, .semantic(distanceThreshold: nil), filter)
                    try scope.expect("distance to its own text", near.items.first?.distance ?? 9, near: 0, within: 1e-4)
                }
                guard scope.hasKeywordSearch else { continue }
                let found = try await scope.search(record.namespace ?? "", .keyword(.bm25std), filter)
                try scope.expect("found by its own word", found.total, 1)
            }
        }

        @Sendable static func differentFields(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "a", text: "[1] text", accessCount: 0, lastAccessed: at(0))
            ])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<16 {
                    group.addTask {
                        let changes =
                            switch index % 4 {
                            case 0: try RecordChanges(topics: ["t\(index)"])
                            case 1: try RecordChanges(text: "[1] text \(index)")
                            case 2: try RecordChanges(userID: .set("u\(index)"))
                            default: try RecordChanges(access: .init(at: at(1000), minimumIntervalSeconds: 0))
                            }
                        _ = try await scope.database.update([RecordUpdate(id: "a", changes: changes)])
                    }
                }
                try await group.waitForAll()
            }
            let record = try await scope.record("a")
            try scope.expect("topics survived", record.topics.count, 1)
            try scope.expect("text survived", record.text.hasPrefix("[1] text "))
            try scope.expect("user_id survived", record.userID?.hasPrefix("u") == true)
            try scope.expect("accesses counted", record.accessCount, 4)
            try scope.expect("memory_hash fits the record", record.memoryHash, record.computedHash())
        }

        @Sendable static func eachIdOnce(_ scope: CheckScope) async throws {
            let ids = (0..<240).map { "d\($0)" }
            _ = try await scope.database.add(try ids.map { try MemoryRecord(id: $0, text: "[1] d") })
            let removed = try await withThrowingTaskGroup(of: Int.self) { group in
                for client in 0..<16 {
                    group.addTask {
                        var removed = 0
                        // Every id is deleted by four clients, each in a different order.
                        let mine = ids.enumerated().filter { $0.offset % 4 == client % 4 }.map(\.element)
                        let ordered = client < 8 ? mine : mine.reversed()
                        for start in stride(from: 0, to: ordered.count, by: 12) {
                            removed += try await scope.database.delete(
                                Array(ordered[start..<min(start + 12, ordered.count)]))
                        }
                        return removed
                    }
                }
                return try await group.reduce(0, +)
            }
            try scope.expect("removed, all answers together", removed, ids.count)
            try scope.expect("left", try await scope.database.count(.everything), 0)
        }
    }

    /// A way to count the records, a different one for each of four readers.
    private static func look(_ scope: CheckScope, _ reader: Int) async throws -> (what: String, total: Int) {
        switch reader % 4 {
        case 0: return ("count", try await scope.database.count(.everything))
        case 1:
            let page = try await scope.database.list(ListQuery(page: PageRequest(limit: 10_000)))
            let ids = Set(page.items.map { ExactString($0.id) })
            try scope.expect("a list shows each record once", ids.count, page.items.count)
            let calls = Dictionary(grouping: page.items, by: \.namespace).mapValues(\.count)
            try scope.expect("a list shows whole calls", Set(calls.values).isSubset(of: [20]))
            return ("list", page.total)
        case 2: return ("search", try await scope.search("[1] word", limit: 5).total)
        default:
            guard scope.hasKeywordSearch else { return ("count", try await scope.database.count(.everything)) }
            return ("keyword search", try await scope.search("word", .keyword(.bm25std), limit: 5).total)
        }
    }
}

/// A number that several tasks share.
private final class SharedCount: Sendable {
    private let count: Mutex<Int>

    init(_ count: Int) {
        self.count = Mutex(count)
    }

    var value: Int { count.withLock(\.self) }

    func add(_ number: Int) {
        count.withLock { $0 += number }
    }
}
