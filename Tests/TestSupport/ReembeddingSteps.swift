public import AgentMemory
import Synchronization
import Testing

/// From one embedding model to another on any store: what its tests do and expect on every backend.
public struct ReembeddingSteps<Database: ReembeddableDatabase>: Sendable {
    public static var oldModel: String { "test/old" }
    public static var newModel: String { "test/new" }

    /// A server of the old model, which has written the records `r0`, `r1`, ... of ``text(_:)``.
    public let old: Database
    public let oldDimensions: Int
    private let count: Int
    private let make: @Sendable (_ model: String, _ dimensions: Int) throws -> Database
    private let opened = Opened()

    private final class Opened: Sendable {
        let databases = Mutex<[Database]>([])
    }

    /// Runs `body` with a store that holds records of the old model, and closes the servers that it
    /// opens.
    ///
    /// - Parameters:
    ///   - count: how many records.
    ///   - make: a database for a model and its dimensions, over the same store each time.
    public static func run(
        records count: Int, oldDimensions: Int,
        make: @escaping @Sendable (_ model: String, _ dimensions: Int) throws -> Database,
        _ body: (Self) async throws -> Void
    ) async throws {
        let steps = try Self(count: count, oldDimensions: oldDimensions, make: make)
        try await withClosing {
            try await steps.old.prepare()
            _ = try await steps.old.add((0..<count).map { try MemoryRecord(id: "r\($0)", text: steps.text($0)) })
            try await body(steps)
        } close: {
            for database in steps.opened.databases.withLock(\.self) { await database.close() }
        }
    }

    private init(
        count: Int, oldDimensions: Int,
        make: @escaping @Sendable (_ model: String, _ dimensions: Int) throws -> Database
    ) throws {
        self.count = count
        self.oldDimensions = oldDimensions
        self.make = make
        old = try make(Self.oldModel, oldDimensions)
        opened.databases.withLock { $0.append(old) }
    }

    /// The text of a record at the beginning.
    public func text(_ number: Int) -> String { "word\(number) of record \(number)" }

    /// Another server over the store, not prepared.
    public func open(_ model: String, _ dimensions: Int) throws -> Database {
        let database = try make(model, dimensions)
        opened.databases.withLock { $0.append(database) }
        return database
    }

    /// What `agent-memory reembed` does.
    public func reembed(_ database: Database) async throws {
        try await Reembedding(database, batchSize: 7).run { _ in }
    }

    /// Why a server does not start.
    public func refusal(of database: Database) async -> MemoryError? {
        await #expect(throws: MemoryError.self) { try await database.prepare() }
    }

    /// Expects that the record is the nearest to its text.
    public func expectNearest(
        _ text: String, _ id: String, total: Int, in database: Database,
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        let page = try await database.search(
            SearchQuery(text: text, ranking: .semantic(distanceThreshold: nil), page: PageRequest(limit: 1)))
        #expect(page.items.map(\.record.id) == [id], sourceLocation: location)
        #expect(page.total == total, sourceLocation: location)
        // Only the text's own vector is at no distance.
        #expect(page.items.first.map { abs($0.distance) < 1e-5 } == true, sourceLocation: location)
    }

    /// Expects that a server of another model does not start, and says why and what to do.
    public func expectRefusal(dimensions: Int) async throws {
        let error = await refusal(of: try open(Self.newModel, dimensions))
        #expect(error?.code == .misconfigured)
        for part in [
            Self.oldModel, Self.newModel, "(\(oldDimensions) dimensions)", "(\(dimensions) dimensions)",
            "agent-memory reembed",
        ] {
            #expect(error?.message.contains(part) == true, "\(part)")
        }
        try await expectNearest(text(7), "r7", total: count, in: old)
    }

    /// Lets three processes do the work at once, while the old server changes texts.
    ///
    /// - Parameter completing: makes the vectors that the old server's last writes lack.
    public func reembedAtOnce(completing complete: (Database) async throws -> Void) async throws {
        let workers = try (0..<3).map { _ in try open(Self.newModel, oldDimensions) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in workers { group.addTask { try await reembed(worker) } }
            group.addTask {
                for step in 0..<20 {
                    let updates = try (0..<10).map { $0 * 30 + step }.map { number in
                        RecordUpdate(id: "r\(number)", changes: try RecordChanges(text: "changed\(number)"))
                    }
                    #expect(try await old.update(updates) == 10)
                }
            }
            try await group.waitForAll()
        }
        let server = try open(Self.newModel, oldDimensions)
        try await server.prepare()
        try await complete(server)
        #expect(try await server.reembeddingProgress() == .init(done: count, total: count))
        for number in 0..<count {
            let text = number % 30 < 20 ? "changed\(number)" : text(number)
            try await expectNearest(text, "r\(number)", total: count, in: server)
        }
    }

    /// Drops the vectors of the old model, once there are those of the new one.
    ///
    /// - Returns: a prepared server of the new model.
    public func dropOldModel() async throws -> Database {
        let new = try open(Self.newModel, oldDimensions)
        let tooEarly = await #expect(throws: MemoryError.self) { try await new.dropOtherSpaces() }
        #expect(tooEarly?.code == .misconfigured)
        try await reembed(new)
        try await new.prepare()
        #expect(try await new.dropOtherSpaces().map(\.model) == [Self.oldModel])
        #expect(try await new.dropOtherSpaces().isEmpty)
        return new
    }

    /// Expects that the server whose model was dropped gets an error and writes nothing, and that
    /// the store can be changed to a third model in the same way.
    ///
    /// - Parameter new: the server that dropped it.
    public func expectDropped(by new: Database) async throws {
        for call in [
            {
                _ = try await old.search(
                    SearchQuery(text: "x", ranking: .semantic(distanceThreshold: nil), page: PageRequest()))
            },
            { _ = try await old.add([MemoryRecord(id: "lost", text: "lost")]) },
        ] as [() async throws -> Void] {
            let error = await #expect(throws: MemoryError.self) { try await call() }
            #expect(error?.code == .misconfigured && error?.message.contains(Self.newModel) == true)
        }
        try await expectNearest(text(9), "r9", total: count, in: new)
        #expect(try await new.count(.everything) == count)
        let third = try open("test/third", oldDimensions / 2)
        try await reembed(third)
        try await third.prepare()
        try await expectNearest(text(9), "r9", total: count, in: third)
    }

    /// Empties the store, and expects that it takes a server of another model then, and no longer
    /// the old one's writes.
    public func expectAnyModelOnceEmpty() async throws {
        #expect(try await old.delete((0..<count).map { "r\($0)" }) == count)
        let new = try open(Self.newModel, oldDimensions)
        try await new.prepare()
        _ = try await new.add([MemoryRecord(id: "a", text: "tea")])
        try await expectNearest("tea", "a", total: 1, in: new)
        #expect(await failureCode { try await old.add([MemoryRecord(id: "b", text: "x")]) } == .misconfigured)
    }
}
