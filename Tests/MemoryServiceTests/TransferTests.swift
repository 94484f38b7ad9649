import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import Synchronization
import TestSupport
import Testing

/// Exports and imports in memory, as callers with limits see them too.
@Suite struct TransferTests {
    /// The stores of one server.
    private struct Stores {
        let database: ReferenceMemoryDatabase
        let memory: LongTermMemory
        let jobs = ReferenceJobQueue()
        let sessions: ReferenceWorkingMemoryStore
        let exporting: MemoryExport
        let importing: MemoryImport

        /// - Parameter other: in place of the store in memory.
        init(model: String = "test", database other: (any MemoryVectorDatabase)? = nil) {
            let embedder = TestEmbedder(model: model, dimensions: 4)
            let reference = ReferenceMemoryDatabase(embedder: embedder)
            self.database = reference
            let database = other ?? reference
            memory = LongTermMemory(
                database: database, accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test")))
            sessions = ReferenceWorkingMemoryStore(jobs: jobs)
            let space = EmbeddingSpace(of: embedder)
            exporting = MemoryExport(
                database: database, sessions: sessions, space: space, metric: .cosine, server: "test")
            importing = MemoryImport(
                memory: memory, sessions: sessions, promotion: Promotion(jobs: JobSubmitter(queue: jobs)), space: space)
        }

        func export(
            vectors: Bool = false, namespace: String? = nil, for caller: Caller = .unrestricted
        ) async throws -> [String] {
            let sink = Sink()
            try await exporting.run(
                SnapshotSelection(namespace: namespace, hasVectors: vectors), for: caller, to: sink)
            let text = String(decoding: sink.bytes.withLock(\.self), as: UTF8.self)
            return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        }

        @discardableResult
        func take(
            _ lines: [String], for caller: Caller = .unrestricted, _ change: (inout ImportOptions) -> Void = { _ in }
        ) async throws -> ImportOutcome {
            var options = ImportOptions()
            change(&options)
            var pieces = [lines.map { $0 + "\n" }.joined()].makeIterator()
            return try await importing.run(options, for: caller, reading: { pieces.next().map { Array($0.utf8) } })
        }

        func ids() async -> [String] {
            let all = MemoryFilter.everything
            let page = try? PageRequest(limit: 10_000)
            guard let page else { return [] }
            return await database.list(ListQuery(filter: all, page: page)).items.map(\.id).sorted()
        }

        /// Records and a session of the namespaces `n` and `m`.
        func fill() async throws {
            _ = try await database.add([
                MemoryRecord(id: "a", text: "tea", namespace: "n"),
                MemoryRecord(id: "b", text: "coffee", namespace: "m"),
            ])
            let date = Timestamp.now()
            for namespace in ["n", "m"] {
                _ = try await sessions.write(
                    WorkingMemory(
                        key: try SessionKey(sessionID: "s", namespace: namespace),
                        memories: [
                            SessionMemory(
                                try MemoryRecord(id: "waits-\(namespace)", text: "cocoa"), givenLists: [],
                                persistedAt: nil)
                        ], createdAt: date, updatedAt: date, lastAccessed: date), expecting: .absent, writerStamp: nil)
            }
        }
    }

    private final class Sink: ExportSink {
        let bytes = Mutex<[UInt8]>([])
        private let writes = Mutex(0)
        private let second: @Sendable () async throws -> Void

        /// - Parameter second: done at the second write, that of the first page.
        init(_ second: @escaping @Sendable () async throws -> Void = {}) {
            self.second = second
        }

        func write(_ bytes: [UInt8]) async throws {
            let number = writes.withLock { writes in
                writes += 1
                return writes
            }
            if number == 2 { try await second() }
            self.bytes.withLock { $0 += bytes }
        }
    }

    private static func caller(_ namespace: String, _ rights: Caller.Rights = .all) -> Caller {
        Caller(subject: namespace, namespaces: [namespace], rights: rights)
    }

    private static func refusal(_ work: () async throws -> Void) async throws -> MemoryError {
        do {
            try await work()
        } catch let error as MemoryError {
            return error
        }
        throw MemoryError(.internalError, "nothing was refused")
    }

    @Test func `what was exported is imported whole, with what waits for its promotion`() async throws {
        let (source, target) = (Stores(), Stores())
        try await source.fill()
        let lines = try await source.export()
        let outcome = try await target.take(lines)
        #expect(outcome.records.added == 2 && outcome.sessions.added == 2)
        #expect(try await target.export().dropFirst().dropLast() == lines.dropFirst().dropLast())
        let counts = await target.jobs.counts()
        #expect(counts.waiting == 2)
        let events = try await target.memory.events(after: 0, limit: 10, for: .unrestricted)
        #expect(events.map(\.kind) == [.imported, .imported])
        #expect(Set(events.map(\.operation)) == [outcome.operation])
    }

    @Test func `an import is taken back as one operation`() async throws {
        let (source, target) = (Stores(), Stores())
        try await source.fill()
        _ = try await target.database.add([MemoryRecord(id: "a", text: "earlier")])
        let outcome = try await target.take(try await source.export()) { $0.existing = .replace }
        #expect(outcome.records.replaced == 1 && outcome.records.added == 1)
        let undone = try await target.memory.undo(operation: outcome.operation, isForced: false, for: .unrestricted)
        #expect(undone.undone == 2)
        #expect(await target.ids() == ["a"])
        #expect(try await target.memory.record(id: "a", for: .unrestricted).text == "earlier")
    }

    @Test func `what exists is refused, skipped or replaced, and a repeated import completes`() async throws {
        let (source, target) = (Stores(), Stores())
        try await source.fill()
        let lines = try await source.export()
        _ = try await target.database.add([MemoryRecord(id: "b", text: "earlier")])
        let error = try await Self.refusal { try await target.take(lines) }
        #expect(error.code == .conflict && error.message.contains("line 3: the memory b exists already"))
        #expect(await target.ids() == ["b"])
        let skipped = try await target.take(lines) { $0.existing = .skip }
        #expect(skipped.records.added == 1 && skipped.records.skipped == 1 && skipped.sessions.added == 2)
        #expect(try await target.memory.record(id: "b", for: .unrestricted).text == "earlier")
        let again = try await target.take(lines) { $0.existing = .skip }
        #expect(again.records.skipped == 2 && again.sessions.skipped == 2)
        let replaced = try await target.take(lines) { $0.existing = .replace }
        #expect(replaced.records.replaced == 2 && replaced.sessions.replaced == 2)
        #expect(try await target.memory.record(id: "b", for: .unrestricted).text == "coffee")
    }

    @Test func `a dry run checks everything and writes nothing`() async throws {
        let (source, target) = (Stores(), Stores())
        try await source.fill()
        let lines = try await source.export()
        let outcome = try await target.take(lines) { $0.isDryRun = true }
        #expect(outcome.records.added == 2 && outcome.sessions.added == 2)
        #expect(await target.ids().isEmpty)
        let error = try await Self.refusal {
            try await target.take(Array(lines.dropLast())) { $0.isDryRun = true }
        }
        #expect(error.message.contains("cut short"))
    }

    @Test func `an import without its last line says what was stored`() async throws {
        let (source, target) = (Stores(), Stores())
        try await source.fill()
        let lines = try await source.export()
        let error = try await Self.refusal { try await target.take(Array(lines.dropLast())) }
        #expect(error.code == .invalidInput)
        #expect(error.message.contains("2 memories and 2 sessions were imported"), "\(error.message)")
    }

    @Test func `new ids are the same each time, also for the memories of sessions`() async throws {
        let (source, target) = (Stores(), Stores())
        try await source.fill()
        let lines = try await source.export()
        try await target.take(lines) { $0.makesNewIDs = true }
        let ids = await target.ids()
        #expect(ids.count == 2 && ids.allSatisfy { $0.utf8.count == 26 })
        let again = try await target.take(lines) { ($0.makesNewIDs, $0.existing) = (true, .skip) }
        #expect(again.records.skipped == 2)
        let session = await target.sessions.read(try SessionKey(sessionID: "s", namespace: "n"), lastMessages: nil)
        #expect(session?.memory.memories.first?.id.utf8.count == 26)
    }

    @Test func `vectors are kept only if they are of the same model`() async throws {
        let (source, target, other) = (Stores(), Stores(), Stores(model: "other"))
        _ = try await KnownVectors.$current.withValue([ExactString("tea"): [9, 8, 7, 6]]) {
            try await source.database.add([MemoryRecord(id: "a", text: "tea")])
        }
        let lines = try await source.export(vectors: true)
        try await target.take(lines) { $0.keepsVectors = true }
        #expect(try await target.export(vectors: true)[1] == lines[1])
        let error = try await Self.refusal { try await other.take(lines) { $0.keepsVectors = true } }
        #expect(error.message.contains("test (4 dimensions)") && error.message.contains("other (4 dimensions)"))
        try await other.take(lines)
        #expect(try await other.export(vectors: true)[1] != lines[1])
        #expect(try await other.export()[1] == source.export()[1])
        let none = try await Self.refusal {
            try await target.take(try await source.export()) { $0.keepsVectors = true }
        }
        #expect(none.message.contains("has no vectors"))
    }

    /// A backend as a loaded one is: without snapshots, and with the writes of the basic protocol.
    private struct ListedDatabase: MemoryVectorDatabase {
        let base: ReferenceMemoryDatabase
        var name: String { "listed" }
        var capabilities: BackendCapabilities { base.capabilities }

        func prepare() async throws {}
        func close() async {}
        func health() async -> [ComponentHealth] { [] }
        func add(_ records: [MemoryRecord]) async throws -> [String] { try await base.add(records) }
        func search(_ query: SearchQuery) async throws -> Page<SearchHit> { try await base.search(query) }
        func list(_ query: ListQuery) async throws -> Page<MemoryRecord> { await base.list(query) }
        func count(_ filter: MemoryFilter) async throws -> Int { await base.count(filter) }
        func delete(_ ids: [String]) async throws -> Int { try await base.delete(ids) }
        func update(_ updates: [RecordUpdate]) async throws -> Int { try await base.update(updates) }

        func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
            await base.neighbors(of: records, reach: reach)
        }
    }

    @Test func `a backend without snapshots is listed, twice, and says whether it changed`() async throws {
        let base = ReferenceMemoryDatabase(embedder: TestEmbedder(dimensions: 4))
        let database = ListedDatabase(base: base)
        let stores = Stores(database: database)
        let date = Timestamp.now()
        // Many of one date.
        _ = try await base.add(
            try (0..<1300).map {
                try MemoryRecord(
                    id: "r\($0 + 10_000)", text: "tea \($0)", createdAt: date.advanced(bySeconds: Int64($0 / 700)))
            })
        let lines = try await stores.export()
        #expect(lines.count == 1302 && Set(lines).count == 1302)
        #expect(lines.last?.contains(#""consistent":true"#) == true)
        let sink = Sink { _ = try await base.delete(["r10700"]) }
        let counts = try await stores.exporting.run(SnapshotSelection(), for: .unrestricted, to: sink)
        #expect(!counts.isConsistent)
        let error = try await Self.refusal { _ = try await stores.export(vectors: true) }
        #expect(error.code == .unsupported)
        let target = Stores(
            database: ListedDatabase(base: ReferenceMemoryDatabase(embedder: TestEmbedder(dimensions: 4))))
        #expect(try await target.take(lines).records.added == 1300)
        #expect(try await target.take(lines) { $0.existing = .skip }.records.skipped == 1300)
        #expect(try await target.take(lines) { $0.existing = .replace }.records.replaced == 1300)
        let kept = try await Self.refusal { try await target.take(lines) { $0.keepsVectors = true } }
        #expect(kept.message.contains("no vectors"))
    }

    @Test func `a caller exports what it reaches`() async throws {
        let source = Stores()
        try await source.fill()
        let lines = try await source.export(for: Self.caller("n"))
        #expect(lines.count == 4 && lines[1].contains(#""id":"a""#) && lines[2].contains(#""namespace":"n""#))
        #expect(try await source.export(namespace: "m", for: Self.caller("n")).count == 2)
        #expect(try await source.export(for: Caller(subject: "none", namespaces: [], rights: .all)).count == 2)
        let error = try await Self.refusal { _ = try await source.export(for: Self.caller("n", .write)) }
        #expect(error.code == .forbidden)
    }

    @Test func `a caller imports only what it reaches`() async throws {
        let (source, target) = (Stores(), Stores())
        try await source.fill()
        let all = try await source.export()
        let error = try await Self.refusal { try await target.take(all, for: Self.caller("n")) }
        #expect(error.code == .forbidden && error.message.contains("line 3"), "\(error.message)")
        #expect(error.path.prefix(2) == [.key("line"), .index(3)])
        #expect(await target.ids().isEmpty)
        let own = try await source.export(for: Self.caller("n"))
        #expect(try await Self.refusal { try await target.take(own, for: Self.caller("n", .read)) }.code == .forbidden)
        let outcome = try await target.take(own, for: Self.caller("n"))
        #expect(outcome.records.added == 1 && outcome.sessions.added == 1)
        // An id that belongs to others is not replaced, and not skipped in silence.
        _ = try await target.database.delete(["a"])
        _ = try await target.database.add([MemoryRecord(id: "a", text: "others'", namespace: "m")])
        for existing in ImportOptions.Existing.allCases {
            let error = try await Self.refusal {
                try await target.take(own, for: Self.caller("n")) { $0.existing = existing }
            }
            #expect(error.code == .conflict, "\(existing)")
        }
        #expect(try await target.memory.record(id: "a", for: .unrestricted).text == "others'")
    }

    @Test func `two records of one id in one export are refused`() async throws {
        let target = Stores()
        let source = Stores()
        try await source.fill()
        var lines = try await source.export()
        lines.insert(lines[1], at: 2)
        let error = try await Self.refusal { try await target.take(lines) }
        #expect(error.message.contains("line 3 has the id a of line 2"))
    }

    @Test func `a writer waits for its reader, and ends with it`() async throws {
        let channel = PieceChannel()
        let written = Mutex(0)
        let writer = Task {
            for piece in 0..<100 {
                try await channel.write([UInt8(piece)])
                written.withLock { $0 += 1 }
            }
            channel.finish(.success(()))
        }
        for piece in 0..<50 {
            #expect(try await channel.next() == [UInt8(piece)])
            #expect(written.withLock(\.self) <= piece + 1)
        }
        channel.cancel()
        await #expect(throws: CancellationError.self) { try await writer.value }
        await #expect(throws: CancellationError.self) { _ = try await channel.next() }
        let failed = PieceChannel()
        failed.finish(.failure(AccessScope.conflict))
        await #expect(throws: MemoryError.self) { _ = try await failed.next() }
        let complete = PieceChannel()
        complete.finish(.success(()))
        #expect(try await complete.next() == nil)
    }
}
