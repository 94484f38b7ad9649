import AgentMemory
import Foundation
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import Synchronization
import TestSupport
import Testing

/// Random operations with restores and undos lead to the same memories, vectors, bits and events as
/// in the oracle; and after all of them are undone in reverse, the store is what it was.
struct UndoHistory {
    /// What a store keeps of the memories whose ids begin with a text, as it keeps it.
    typealias Content = @Sendable (_ prefix: String) async throws -> [String]

    /// TEST_UNDO_OPERATIONS makes the histories longer.
    private static let operations =
        ProcessInfo.processInfo.environment["TEST_UNDO_OPERATIONS"].flatMap { Int($0) } ?? 120

    /// - Parameter content: of the store; `nil` if there is nothing to see under the API.
    func run(on harness: any ConformanceHarness, content: Content? = nil) async throws {
        let scope = try await harness.makeDatabase(embedder: UndoneHistory.embedder)
        try await withClosing {
            var history = UndoneHistory(scope.database, content, seed: UInt64(Self.operations))
            try await history.run(Self.operations)
        } close: {
            try await scope.remove()
        }
    }
}

/// A history on a backend and on the oracle at once.
private struct UndoneHistory {
    private struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    /// One of the two, with the events that it has shown.
    private struct Side {
        let database: any MemoryVectorDatabase
        let memory: LongTermMemory
        /// The operations by their own ids, numbered as on the other side.
        var names: [String: Int] = [:]
        var lastEvent = 0
        /// How many events each id has.
        var eventCounts: [String: Int] = [:]
    }

    /// The tested backend, then the oracle.
    private var sides: [Side]
    private let content: UndoHistory.Content?
    private let clock = MovedClock()
    private var random: SplitMix
    /// What all ids begin with, and nothing else in the store.
    private let prefix = "undo-\(UUID().uuidString.lowercased())-"
    private var ids: [String] = []
    /// Each pass takes one of them, so that long histories do not read everything in each.
    private var namespaces: [String] = []
    /// The operations, on each side under its own id.
    private var operations: [[String]] = []
    private var number = 0

    static var embedder: SteeredEmbedder { SteeredEmbedder(makesTokens: true) }

    init(_ database: any MemoryVectorDatabase, _ content: UndoHistory.Content?, seed: UInt64) {
        let clock = clock
        let oracle = ReferenceMemoryDatabase(embedder: Self.embedder, now: { clock.now })
        sides = [database, oracle].map { side in
            Side(
                database: CheckedDatabase(side).database,
                memory: LongTermMemory(
                    database: side, accessRecorder: AccessRecorder(database: side, logger: Logger(label: "test")),
                    now: { clock.now }))
        }
        self.content = content
        random = SplitMix(seed: seed)
    }

    mutating func run(_ count: Int) async throws {
        ids = (0..<max(30, count / 20)).map { "\(prefix)\($0)" }
        namespaces = (0..<max(2, ids.count / 50)).map { "n\($0)" }
        for _ in 0..<max(5, ids.count / 10) { try await step { try $0.create() } }
        try await compare("at the beginning")
        let beginning = (try await state(of: sides[0]), try await content?(prefix) ?? [])
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
            if turn % max(100, count / 50) == 0 || turn == count { try await compare("after \(turn) operations") }
        }
        for pair in operations[base...].reversed() { try await undo(pair, isForced: false) }
        try await compare("after undoing everything")
        try Self.expectEqual(try await state(of: sides[0]), beginning.0, "undoing everything")
        try Self.expectEqual(try await content?(prefix) ?? [], beginning.1, "the store after undoing everything")
        for side in sides {
            for id in ids.prefix(100) {
                let total = try await history(of: id, of: side)
                guard total == side.eventCounts[id] ?? 0 else {
                    throw Mismatch(description: "\(id) has \(total) events, the feed \(side.eventCounts[id] ?? 0)")
                }
            }
        }
    }

    private func history(of id: String, of side: Side) async throws -> Int {
        do {
            return try await side.memory.history(of: id, page: try PageRequest(limit: 1), for: .unrestricted).total
        } catch let error as MemoryError where error.code == .notFound {
            return 0
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
                        try await operation(side.memory)
                    }
                })
        }
        guard ends[0] == ends[1] else { throw Mismatch(description: "\(name): expected \(ends[1]), got \(ends[0])") }
        keep([name, name])
    }

    private mutating func keep(_ names: [String]) {
        operations.append(names)
        register(names)
    }

    private mutating func register(_ names: [String]) {
        for (side, name) in names.enumerated() { sides[side].names[name] = sides[side].names.count }
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
            let date = clock.now.advanced(bySeconds: Int64(position))
            let word = random.below(12)
            let isPinned = random.below(10) == 0
            return try MemoryRecord(
                id: random.pick(ids), text: "[1, 0.\(word)] text \(word)", sessionID: random.below(3) == 0 ? "s" : nil,
                userID: random.pick(["u", "v"]), namespace: random.pick(namespaces),
                memoryType: random.pick([.semantic, .episodic]), topics: random.below(2) == 0 ? ["t\(word)"] : [],
                entities: random.below(3) == 0 ? ["e \u{1F600}", "f"] : [],
                extractedFrom: random.below(4) == 0 ? ["m\(word)"] : [], discreteMemoryExtracted: random.below(2) == 0,
                extractionStrategy: random.below(5) == 0 ? "custom" : nil,
                extractionStrategyConfig: random.below(5) == 0 ? ["prompt": "\u{2028}"] : [:],
                metadata: random.below(4) == 0 ? [:] : ["word": .int(word), "a \"b": [.string("w\(word)"), nil]],
                memoryHash: random.below(8) == 0 ? "hash \(word)" : nil, pinned: isPinned,
                accessCount: random.below(3), createdAt: date, lastAccessed: date, updatedAt: date,
                persistedAt: random.below(3) == 0 ? date : nil, eventDate: random.below(3) == 0 ? date : nil,
                expiresAt: isPinned || random.below(4) != 0 || !canExpire ? nil : Self.future, now: date)
        }
        return { try await $0.create(records, deduplicate: false, for: .unrestricted).joined(separator: " ") }
    }

    private var canExpire: Bool { sides.allSatisfy(\.database.capabilities.expiry) }

    /// Later than the clocks of the stores, which have expiry by themselves.
    private static let future = Timestamp(parsing: "2999-12-31T23:59:59.000001Z")

    private mutating func edit() throws -> Operation {
        let id = random.pick(ids)
        let word = random.below(12)
        let changes = try RecordChanges(
            text: random.below(2) == 0 ? "[0.\(word), 1] edited \(word)" : nil,
            sessionID: random.below(6) == 0 ? .set(random.below(2) == 0 ? "s" : nil) : .unchanged,
            userID: random.below(4) == 0 ? .set(random.pick(["u", "v", nil])) : .unchanged,
            namespace: random.below(6) == 0 ? .set(random.pick(namespaces)) : .unchanged,
            memoryType: random.below(6) == 0 ? .episodic : nil,
            topics: random.below(2) == 0 ? (random.below(3) == 0 ? [] : ["e\(word)"]) : nil,
            metadata: random.below(4) == 0 ? ["edited": .int(word)] : nil,
            pinned: random.below(6) == 0 ? random.below(2) == 0 : nil,
            eventDate: random.below(4) == 0 ? .set(random.below(2) == 0 ? clock.now : nil) : .unchanged,
            expiresAt: random.below(6) == 0 ? .set(nil) : .unchanged, updatedAt: clock.now)
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
                    let page = try await side.memory.history(
                        of: id, page: try PageRequest(limit: 1, offset: back), for: .unrestricted)
                    guard let event = page.items.first else { return "\(page.total) events" }
                    let record = try await side.memory.restore(id: id, to: event.sequence, for: .unrestricted)
                    let last = try await side.memory.history(
                        of: id, page: try PageRequest(limit: 1), for: .unrestricted)
                    if last.total > page.total { names += last.items.map(\.operation) }
                    return "\(event.kind.rawValue) \(record.map(Self.text) ?? "nothing")"
                })
        }
        guard ends[0] == ends[1] else { throw Mismatch(description: "restore: expected \(ends[1]), got \(ends[0])") }
        if names.count == sides.count { keep(names) }
    }

    private mutating func compact() throws -> Operation {
        let namespace = random.pick(namespaces)
        return { memory in
            let filter = MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: namespace)])
            let outcome = try await memory.compact(filter, for: .unrestricted)
            return "\(outcome.merged) \(outcome.remaining)"
        }
    }

    private mutating func forget() throws -> Operation {
        let namespace = random.pick(namespaces)
        let share = ids.count / namespaces.count
        let kept = share / 3 + random.below(share / 2)
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
                    let outcome = try await side.memory.undo(operation: name, isForced: isForced, for: .unrestricted)
                    names.append(outcome.operation)
                    return "\(outcome.undone) \(outcome.skipped.sorted())"
                })
        }
        guard ends[0] == ends[1] else {
            throw Mismatch(description: "undo of \(pair): expected \(ends[1]), got \(ends[0])")
        }
        if names.count == sides.count { register(names) }
        if isKept {
            if names.count == sides.count { operations.append(names) }
        } else if names.isEmpty, ends[0] != "an error notFound" {
            // An operation without an event is not there.
            throw Mismatch(description: "undo of \(pair) in reverse: \(ends[0])")
        }
    }

    // MARK: States

    private mutating func compare(_ moment: String) async throws {
        try Self.expectEqual(try await state(of: sides[0]), try await state(of: sides[1]), moment)
        try Self.expectEqual(try await newEvents(0), try await newEvents(1), "events \(moment)")
    }

    /// Whether both sides show their vectors and bits.
    private var showsVectors: Bool {
        sides.allSatisfy { $0.database is any SnapshotDatabase & CandidateDatabase }
    }

    /// Each memory as text, with the vector and the bits that the store has, and their number.
    private func state(of side: Side) async throws -> [String] {
        guard showsVectors else {
            let page = try PageRequest(limit: PageRequest.maximumLimit)
            let listed = try await side.memory.list(ListQuery(page: page), for: .unrestricted)
            return listed.items.map(Self.text).sorted() + ["\(listed.total)"]
        }
        guard let snapshots = side.database as? any SnapshotDatabase,
            let candidates = side.database as? any CandidateDatabase
        else { throw Mismatch(description: "\(side.database.name) does not show its vectors") }
        let prefix = prefix
        var state = try await snapshots.withSnapshot(of: try SnapshotSelection(hasVectors: true)) { snapshot in
            var state: [String] = []
            while case let page = try await snapshot.next(), !page.isEmpty {
                let bits = try await candidates.tokenBits(
                    of: page.map(\.record.id), modelTag: Self.embedder.tokenModelTag ?? 0)
                state += page.map { item in
                    let words = bits[ExactString(item.record.id)]?.words
                    return "\(Self.text(item.record)) \(item.vector ?? []) \(words ?? [])"
                }
            }
            return state
        }
        guard state.allSatisfy({ $0.hasPrefix(prefix) && !$0.contains("[] ") && !$0.hasSuffix(" []") }) else {
            throw Mismatch(description: "\(side.database.name) has a memory without a vector or bits")
        }
        let count = try await side.memory.count(.everything, for: .unrestricted)
        let listed = try await side.memory.list(ListQuery(page: try PageRequest(limit: 1)), for: .unrestricted).total
        state.append("\(count) \(listed)")
        return state
    }

    /// The events since the last call, those of each id in their order.
    private mutating func newEvents(_ position: Int) async throws -> [String] {
        var found: [String: [String]] = [:]
        while true {
            let side = sides[position]
            let events = try await side.memory.events(after: side.lastEvent, limit: 1000, for: .unrestricted)
            for event in events {
                guard event.sequence > sides[position].lastEvent else {
                    throw Mismatch(description: "event \(event.sequence) comes after \(sides[position].lastEvent)")
                }
                sides[position].lastEvent = event.sequence
                sides[position].eventCounts[event.id, default: 0] += 1
                found[event.id, default: []].append(Self.text(event, side.names))
            }
            guard !events.isEmpty else { return found.keys.sorted().flatMap { found[$0] ?? [] } }
        }
    }

    private static func text(_ event: MemoryEvent, _ names: [String: Int]) -> String {
        func number(_ operation: some StringProtocol) -> String {
            names[String(operation)].map { "#\($0)" } ?? "unknown"
        }
        let undo = "undo of "
        let reason = event.reason.map { $0.hasPrefix(undo) ? undo + number($0.dropFirst(undo.count)) : $0 }
        let before = (event.before?.members ?? []).map { "\($0.name): \($0.value.jsonText)" }.sorted()
        return """
            \(event.id) \(event.kind) of \(event.namespace ?? "-"), \(event.userID ?? "-") by \(event.caller ?? "-") \
            in \(number(event.operation)), \(reason ?? "-"), \(event.successor ?? "-"), before \(before)
            """
    }

    private static func text(_ record: MemoryRecord) -> String {
        "\(record.id) \(JSONValue.object(record.jsonObject).jsonText)"
    }

    private static func expectEqual(_ got: [String], _ expected: [String], _ what: String) throws {
        guard got != expected else { return }
        let missing = Set(expected).subtracting(got).sorted().prefix(2)
        let additional = Set(got).subtracting(expected).sorted().prefix(2)
        throw Mismatch(description: "\(what): missing \(Array(missing)), additional \(Array(additional))")
    }
}

extension SplitMix {
    fileprivate mutating func below(_ end: Int) -> Int { Int.random(in: 0..<end, using: &self) }

    fileprivate mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }
}
