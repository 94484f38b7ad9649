import AgentMemory
import Logging
import MemoryConformance
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

/// Erasures in memory, where what is left can be looked at as a whole.
@Suite struct ErasureTests {
    private let clock = MovedClock()
    private let queue: ReferenceJobQueue
    private let documents: ReferenceDocumentStore
    private let sessions: ReferenceWorkingMemoryStore
    private let database: ReferenceMemoryDatabase
    private let memory: LongTermMemory
    private let erasures: Erasures
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    init() {
        let clock = clock
        queue = ReferenceJobQueue(now: { clock.now })
        documents = ReferenceDocumentStore(now: { clock.now })
        sessions = ReferenceWorkingMemoryStore(jobs: queue, now: { clock.now })
        database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { clock.now })
        memory = LongTermMemory(
            database: database,
            accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test"), now: { clock.now }),
            deletions: queue, erasures: ErasureMarks(documents: documents, notes: queue), now: { clock.now })
        erasures = Erasures(
            memories: database, sessions: sessions, queue: queue, documents: documents, now: { clock.now })
    }

    private func record(
        _ id: String, user: String? = "ada", namespace: String? = "n", session: String? = nil
    ) throws -> MemoryRecord {
        try MemoryRecord(
            id: id, text: "text of \(id)", sessionID: session, userID: user, namespace: namespace,
            createdAt: clock.now, now: clock.now)
    }

    private func promotion(_ id: String, user: String?, memoryOwner: String? = nil) throws -> NewJob {
        var json = try record(id, user: memoryOwner, namespace: nil).jsonObject
        json["persisted_at"] = .null
        let memory = try SessionMemory(stored: .object(json), fallbackDate: clock.now)
        let key = SessionKey(storedSessionID: "s-\(id)", namespace: "n", userID: user)
        return PromotionJob.jobs(key, [memory], [], by: .unrestricted)[0]
    }

    @Test func `everything of a user goes, and nothing else`() async throws {
        try await memory.create(
            [record("a"), record("b", user: "bob"), record("gone"), record("moved")], deduplicate: false)
        _ = try await memory.delete(ids: ["gone"])
        _ = try await memory.edit(id: "moved", for: .unrestricted) { _ throws(MemoryError) in
            try RecordChanges(userID: .set("bob"))
        }
        _ = try await queue.enqueue([
            promotion("p", user: "ada"), promotion("q", user: "bob"), promotion("r", user: nil, memoryOwner: "ada"),
        ])
        let before = await database.events(after: 0, limit: 100, within: .everything)
        let scope = try ErasureScope(userID: "ada")
        let task = try await erasures.start(scope, for: .unrestricted)
        #expect(task.status == .success && task.failure == nil)
        let counts = task.details["erased"]
        #expect(
            counts?["memories"] == 1 && counts?["jobs"] == 2 && counts?["events"] == 5,
            "\(JSONValue.object(task.json).jsonText)")
        #expect(try await memory.count(.everything, for: .unrestricted) == 2)
        let events = await database.events(after: 0, limit: 100, within: .everything)
        #expect(events.dropLast().map(\.sequence) == before.filter { $0.id == "b" }.map(\.sequence))
        #expect(events.last?.kind == .erased && events.last?.sequence == before.count + 1)
        #expect(!JSONValue.object(task.json).jsonText.contains("ada"))
        #expect(await queue.counts().waiting == 2, "that of bob, and that of the erasure itself")
        let stored = await documents.document(ServerTask.key(task.id))
        let text = JSONValue.object(try #require(stored).document.body).jsonText
        #expect(!text.contains("ada"))
    }

    @Test func `work that was handed in before brings nothing back`() async throws {
        clock.move(bySeconds: 1)
        let handedIn = clock.now
        clock.move(bySeconds: 1)
        let task = try await erasures.start(try ErasureScope(namespace: "n", userID: "ada"), for: .unrestricted)
        #expect(task.status == .success)
        let outcomes = try await memory.promote(
            [record("a"), record("b", user: "bob"), record("c", namespace: "m")], handedInAt: handedIn,
            for: .unrestricted)
        #expect(outcomes == [.deleted, .stored, .stored])
        clock.move(bySeconds: 1)
        #expect(try await memory.promote([record("a")], handedInAt: clock.now, for: .unrestricted) == [.stored])
    }

    @Test func `an erasure waits for jobs that run, and goes on as a job`() async throws {
        try await memory.create([record("a")], deduplicate: false)
        _ = try await queue.enqueue([promotion("p", user: "ada")])
        let leased = await queue.lease(kinds: [PromotionJob.kind], limit: 1, for: .seconds(60))
        let task = try await erasures.start(try ErasureScope(userID: "ada"), for: .unrestricted)
        #expect(task.status == .running && task.completedAt == nil)
        #expect(try await memory.count(.everything, for: .unrestricted) == 1)
        // It stores what it has read, and is over.
        try await memory.create([record("p")], deduplicate: false)
        #expect(await queue.complete(leased[0]))
        clock.move(bySeconds: 10)
        let handler = ErasureHandler(erasures, jobs: JobSubmitter(queue: queue))
        for job in await queue.lease(kinds: [ErasureJob.kind], limit: 1, for: .seconds(60)) {
            try await handler.run(job, isLastAttempt: false)
        }
        let tasks = ServerTasks(documents: documents, now: { [clock] in clock.now })
        #expect(try await tasks.task(id: task.id, for: .unrestricted).status == .success)
        #expect(try await memory.count(.everything, for: .unrestricted) == 0)
    }

    @Test func `work of a language model is found by its owner`() async throws {
        let indexing = Indexing(jobs: JobSubmitter(queue: queue), steps: [.tagging], logger: logger)
        try await indexing.enqueue(
            [record("a"), record("b", user: "bob"), record("c", session: "s")], deduplicating: false,
            for: .unrestricted)
        let session = SessionKey(storedSessionID: "s", namespace: "n", userID: "ada")
        for (key, parent) in [
            (DocumentKey(.extraction, "of c"), session.fingerprint), (DocumentKey(.comparison, "of all"), ""),
        ] {
            _ = await documents.write(
                Document(key, parent: parent, namespace: "n", userID: "ada", body: [:]), expecting: .absent,
                keptFor: nil)
        }
        let first = try await erasures.start(try ErasureScope(sessionID: "s"), for: .unrestricted).details["erased"]
        #expect(first?["jobs"] == 1 && first?["documents"] == 1)
        let second = try await erasures.start(try ErasureScope(userID: "ada"), for: .unrestricted).details["erased"]
        #expect(second?["jobs"] == 1 && second?["documents"] == 1)
        let left = await queue.lease(kinds: [IndexingJob.kind], limit: 10, for: .seconds(1))
        #expect(left.map { $0.payload["ids"] } == [["b"]])
    }

    @Test func `a caller erases only what it reaches, and only with the right to administer`() async throws {
        let admin = Caller(subject: "a", namespaces: ["n"], rights: .all)
        func code(_ scope: ErasureScope, _ caller: Caller) async -> MemoryError.Code? {
            await failureCode { try await erasures.start(scope, for: caller) }
        }
        #expect(await code(try ErasureScope(userID: "ada"), admin) == .forbidden)
        #expect(await code(try ErasureScope(namespace: "m"), admin) == .forbidden)
        #expect(
            await code(try ErasureScope(namespace: "n"), Caller(subject: "w", rights: [.read, .write])) == .forbidden)
        let task = try await erasures.start(try ErasureScope(namespace: "n", userID: "ada"), for: admin)
        let tasks = ServerTasks(documents: documents, now: { [clock] in clock.now })
        #expect(try await tasks.task(id: task.id, for: admin) == task)
        let other = Caller(subject: "b", namespaces: ["n"], rights: .all)
        #expect(await failureCode { try await tasks.task(id: task.id, for: other) } == .notFound)
        let page = try PageRequest(limit: 10)
        #expect(try await tasks.tasks(page: page, for: other).total == 0)
        #expect(try await tasks.tasks(page: page, for: admin).items == [task])
        #expect(await failureCode { try await tasks.cancel(id: task.id, for: admin) } == .conflict)
        let operation = await database.events(after: 0, limit: 10, within: .everything).last?.operation
        #expect(
            await failureCode {
                try await memory.undo(operation: try #require(operation), isForced: true, for: .unrestricted)
            } == .invalidCombination)
    }

    @Test func `documents of a session go by their ids, and summaries that may rest on it`() async throws {
        let key = SessionKey(storedSessionID: "s", namespace: "n", userID: "ada")
        let other = SessionKey(storedSessionID: "t", namespace: "n", userID: "ada")
        for key in [key, other] {
            _ = await documents.write(
                Document(
                    DocumentKey(.sessionSummary, key.fingerprint), namespace: "n", userID: "ada", body: [:]),
                expecting: .absent, keptFor: nil)
        }
        func view(_ id: String, _ filters: JSONObject) -> SummaryView {
            SummaryView(
                id: id,
                SummaryView.Definition(
                    name: nil, groupBy: [.userID], filters: filters, timeWindowDays: nil, isContinuous: false,
                    prompt: nil, modelName: nil), owner: .unrestricted)
        }
        let views = [
            view("mine", ["user_id": "ada"]), view("all", [:]), view("few", ["user_id": ["any": ["ada", "bob"]]]),
        ]
        for view in views {
            _ = await documents.write(view.document, expecting: .absent, keptFor: nil)
            for user in ["ada", "bob"] {
                let partition = SummaryPartition(
                    viewID: view.id, group: [.userID: user], summary: "of \(user)", memoryCount: 1,
                    computedAt: clock.now, fingerprint: "")
                _ = await documents.write(partition.document(of: view), expecting: .absent, keptFor: nil)
            }
        }
        let session = try await erasures.start(try ErasureScope(sessionID: "s"), for: .unrestricted)
        #expect(session.details["erased"]?["documents"] == 7, "one of the session, and every summary")
        #expect(await documents.document(DocumentKey(.sessionSummary, other.fingerprint)) != nil)
        let user = try await erasures.start(try ErasureScope(userID: "ada"), for: .unrestricted)
        #expect(user.details["erased"]?["documents"] == 2)
        let left = await documents.scan(.summaryView, from: nil).documents
        #expect(Set(left.map(\.document.key.id)) == ["all", "few"])
        for view in left { #expect(!JSONValue.object(view.document.body).jsonText.contains("ada")) }
    }
}
