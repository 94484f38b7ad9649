import AgentMemory
import Foundation
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import Synchronization
import TestSupport
import Testing

/// Random operations with restores and undos lead to the same memories and events as in the oracle;
/// and after all of them are undone in reverse, the memories are what they were.
struct UndoHistory {
    /// TEST_UNDO_OPERATIONS makes the histories longer.
    private static let operations =
        ProcessInfo.processInfo.environment["TEST_UNDO_OPERATIONS"].flatMap { Int($0) } ?? 120

    func run(on harness: any ConformanceHarness) async throws {
        let scope = try await harness.makeDatabase(embedder: SteeredEmbedder())
        do {
            var history = UndoneHistory(scope.database, seed: UInt64(Self.operations))
            try await history.run(Self.operations)
        } catch {
            try await scope.remove()
            throw error
        }
        try await scope.remove()
    }
}

/// A history on a backend and on the oracle at once.
private struct UndoneHistory {
    private struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    /// The tested backend, then the oracle.
    private let sides: [LongTermMemory]
    private let clock: MovedClock
    private var random: SplitMix
    private var ids: [String] = []
    /// The operations, on each side under its own id.
    private var operations: [[String]] = []
    private var number = 0

    private static let namespaces = ["n", "m"]

    init(_ database: any MemoryVectorDatabase, seed: UInt64) {
        let clock = MovedClock()
        self.clock = clock
        sides = [database, ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { clock.value })].map { side in
            LongTermMemory(
                database: side, accessRecorder: AccessRecorder(database: side, logger: Logger(label: "test")),
                now: { clock.value })
        }
        random = SplitMix(seed: seed)
    }

    mutating func run(_ count: Int) async throws {
        ids = (0..<max(30, count / 20)).map { "id\($0)" }
        for _ in 0..<5 { try await step { try $0.create() } }
        let beginning = try await state()
        let base = operations.count
        for turn in 1...count {
            switch random.below(100) {
            case 0..<32: try await step { try $0.create() }
            case 32..<57: try await step { try $0.edit() }
            case 57..<70: try await step { try $0.delete() }
            case 70..<80: try await restore()
            case 80..<92: try await undoSome()
            case 92..<96: try await step { try $0.compact() }
            default: try await step { try $0.forget() }
            }
            if turn % 100 == 0 || turn == count { try await compare(turn) }
        }
        for pair in operations[base...].reversed() { try await undo(pair, isForced: false) }
        let end = try await state()
        guard end == beginning else {
            throw Mismatch(description: "undoing all led to another state: \(Self.difference(beginning[0], end[0]))")
        }
    }

    // MARK: Operations

    private typealias Operation = @Sendable (LongTermMemory) async throws -> String

    /// Runs an operation on both sides, which must come to the same end.
    private mutating func step(_ make: (inout UndoneHistory) throws -> Operation) async throws {
        number += 1
        clock.move(bySeconds: 60)
        let operation = try make(&self)
        let name = "operation \(number)"
        var ends: [String] = []
        for side in sides {
            ends.append(
                try await Self.end {
                    try await WriteOrigin.$current.withValue(WriteOrigin(operation: name, caller: "test")) {
                        try await operation(side)
                    }
                })
        }
        guard ends[0] == ends[1] else { throw Mismatch(description: "\(name): expected \(ends[1]), got \(ends[0])") }
        operations.append([name, name])
    }

    private static func end(_ body: () async throws -> String) async throws -> String {
        do {
            return try await body()
        } catch let error as MemoryError {
            return "an error \(error.code.rawValue)"
        }
    }

    private mutating func create() throws -> Operation {
        let records = try (0..<random.below(4) + 1).map { position in
            let date = clock.value.advanced(bySeconds: Int64(position))
            let word = random.below(12)
            return try MemoryRecord(
                id: random.pick(ids), text: "[1, 0.\(word)] text \(word)", sessionID: random.below(3) == 0 ? "s" : nil,
                userID: random.pick(["u", "v"]), namespace: random.pick(Self.namespaces),
                topics: random.below(2) == 0 ? ["t\(word)"] : [], metadata: ["word": .int(word)],
                pinned: random.below(10) == 0, createdAt: date, lastAccessed: date, now: date)
        }
        return { try await $0.create(records, deduplicate: false, for: .unrestricted).joined(separator: " ") }
    }

    private mutating func edit() throws -> Operation {
        let id = random.pick(ids)
        let word = random.below(12)
        let changes = try RecordChanges(
            text: random.below(2) == 0 ? "[0.\(word), 1] edited \(word)" : nil,
            userID: random.below(4) == 0 ? .set(random.pick(["u", "v", "w"])) : .unchanged,
            topics: random.below(2) == 0 ? ["e\(word)"] : nil, pinned: random.below(6) == 0 ? true : nil,
            eventDate: random.below(4) == 0 ? .set(clock.value) : .unchanged, updatedAt: clock.value)
        return { memory in
            Self.text(try await memory.edit(id: id, for: .unrestricted) { _ throws(MemoryError) in changes })
        }
    }

    private mutating func delete() throws -> Operation {
        var doomed: [String] = []
        for _ in 0...random.below(3) { doomed.append(random.pick(ids)) }
        return { [doomed] in "\(try await $0.delete(ids: doomed, for: .unrestricted))" }
    }

    private mutating func restore() async throws {
        clock.move(bySeconds: 60)
        let (id, back) = (random.pick(ids), random.below(6))
        var ends: [String] = []
        var names: [String] = []
        for side in sides {
            ends.append(
                try await Self.end {
                    let page = try await side.history(
                        of: id, page: try PageRequest(limit: 1, offset: back), for: .unrestricted)
                    guard let event = page.items.first else { return "\(page.total) events" }
                    let record = try await side.restore(id: id, to: event.sequence, for: .unrestricted)
                    let last = try await side.history(of: id, page: try PageRequest(limit: 1), for: .unrestricted)
                    if last.total > page.total { names += last.items.map(\.operation) }
                    return "\(event.kind.rawValue) \(record.map(Self.text) ?? "nothing")"
                })
        }
        guard ends[0] == ends[1] else { throw Mismatch(description: "restore: expected \(ends[1]), got \(ends[0])") }
        if names.count == sides.count { operations.append(names) }
    }

    private mutating func compact() throws -> Operation {
        let namespace = random.pick(Self.namespaces)
        return { memory in
            let filter = MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: namespace)])
            let outcome = try await memory.compact(filter, for: .unrestricted)
            return "\(outcome.merged) \(outcome.remaining)"
        }
    }

    private mutating func forget() throws -> Operation {
        let namespace = random.pick(Self.namespaces)
        let kept = ids.count / 3 + random.below(ids.count / 4)
        return { memory in
            let filter = MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: namespace)])
            let outcome = try await memory.forget(
                ForgettingPolicy(budget: kept), in: filter, batch: 100, isDryRun: false, for: .unrestricted)
            return "\(outcome.scanned) \(outcome.forgotten.map(\.id).sorted())"
        }
    }

    private mutating func undoSome() async throws {
        clock.move(bySeconds: 60)
        let recent = operations.suffix(20)
        guard !recent.isEmpty else { return }
        try await undo(
            recent[recent.startIndex + random.below(recent.count)], isForced: random.below(3) == 0, isKept: true)
    }

    /// - Parameter isKept: whether the undo is an operation that is undone in turn; otherwise it
    ///   must have an effect on all that the operation did.
    private mutating func undo(_ pair: [String], isForced: Bool, isKept: Bool = false) async throws {
        var ends: [String] = []
        var names: [String] = []
        for (side, name) in zip(sides, pair) {
            ends.append(
                try await Self.end {
                    let outcome = try await side.undo(operation: name, isForced: isForced, for: .unrestricted)
                    names.append(outcome.operation)
                    return "\(outcome.undone) \(outcome.skipped.sorted())"
                })
        }
        guard ends[0] == ends[1] else {
            throw Mismatch(description: "undo of \(pair): expected \(ends[1]), got \(ends[0])")
        }
        if isKept {
            if names.count == sides.count { operations.append(names) }
        } else if names.isEmpty, ends[0] != "an error notFound" {
            // An operation without an event is not there.
            throw Mismatch(description: "undo of \(pair) in reverse: \(ends[0])")
        }
    }

    // MARK: States

    private func compare(_ turn: Int) async throws {
        let states = try await state()
        guard states[0] == states[1] else {
            throw Mismatch(description: "after \(turn) operations: \(Self.difference(states[1], states[0]))")
        }
    }

    /// Of each side, each memory as text.
    private func state() async throws -> [[String]] {
        var states: [[String]] = []
        for side in sides {
            let page = try await side.list(ListQuery(page: try PageRequest(limit: 10_000)), for: .unrestricted)
            states.append(page.items.map { Self.text($0) }.sorted())
        }
        return states
    }

    private static func text(_ record: MemoryRecord) -> String {
        "\(record.id) \(JSONValue.object(record.jsonObject).jsonText)"
    }

    private static func difference(_ expected: [String], _ got: [String]) -> String {
        let missing = Set(expected).subtracting(got).sorted().prefix(2)
        let additional = Set(got).subtracting(expected).sorted().prefix(2)
        return "missing \(Array(missing)), additional \(Array(additional))"
    }
}

/// A clock that stands still until it is moved.
private final class MovedClock: Sendable {
    private let time = Mutex(History.defaultDate)

    var value: Timestamp { time.withLock(\.self) }

    func move(bySeconds seconds: Int64) { time.withLock { $0 = $0.advanced(bySeconds: seconds) } }
}

extension SplitMix {
    fileprivate mutating func below(_ end: Int) -> Int { Int.random(in: 0..<end, using: &self) }

    fileprivate mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }
}
