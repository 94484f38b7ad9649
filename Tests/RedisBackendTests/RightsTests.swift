import AgentMemory
import Foundation
import Logging
import RedisDriver
import TestServices
import TestSupport
import Testing

@testable import RedisBackend

/// The rights that Documentation/stores/redis.md names: enough, and none too many.
@Suite(.tags(.store)) struct RightsTests {
    /// The block of the page, by its headings.
    private struct DocumentedRights {
        var keys: [String] = []
        var commands: [String] = []
        var optional: [String] = []

        init() throws {
            let readme = URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "../../Documentation/stores/redis.md").standardized
            let parts = try String(contentsOf: readme, encoding: .utf8).components(separatedBy: "```")
            let block = try #require(parts.first { $0.hasPrefix("acl\n") })
            var isOptional = false
            for line in block.split(separator: "\n").dropFirst() {
                if line.hasPrefix("#") {
                    isOptional = line.contains("optional")
                    continue
                }
                for word in line.split(separator: " ").map(String.init) {
                    if word.hasPrefix("~") {
                        keys.append(word)
                    } else if isOptional {
                        optional.append(word)
                    } else if !commands.contains(word) {
                        commands.append(word)
                    }
                }
            }
        }
    }

    /// The stores of a server under the names that are the default.
    private struct Stores {
        let database: RedisMemoryDatabase
        let sessions: RedisWorkingMemoryStore
        let jobs: RedisJobQueue
        let tokens: RedisTokenStore
        let documents: RedisDocumentStore

        init(_ endpoint: RedisEndpoint, indexSuffix: String = "") throws {
            let logger = Logger(label: "test")
            let server = try RedisDatabase(configuration: .init(endpoint: endpoint), logger: logger)
            var configuration = RedisMemoryDatabase.Configuration()
            configuration.indexName += indexSuffix
            database = RedisMemoryDatabase(
                database: server, configuration: configuration, embedder: TestEmbedder(dimensions: 4), logger: logger)
            var sessions = RedisWorkingMemoryStore.Configuration()
            sessions.indexName += indexSuffix
            self.sessions = RedisWorkingMemoryStore(database: server, configuration: sessions)
            jobs = RedisJobQueue(database: server)
            tokens = RedisTokenStore(database: server)
            documents = RedisDocumentStore(database: server)
        }

        func close() async {
            await database.close()
            await sessions.close()
            await jobs.close()
            await tokens.close()
            await documents.close()
        }

        private func exerciseHistory() async throws {
            let page = try PageRequest(limit: 10)
            let events = try await database.events(of: "a", within: .everything, page: page)
            try check(events.items.count > 1)
            let narrow = AccessScope(namespaces: PermittedValues(exactly: ["n"]))
            try check(try await database.events(of: "a", within: narrow, page: page).total == 0)
            try check(try await !database.events(after: 0, limit: 1, within: .everything).isEmpty)
            try await database.withSnapshot(of: try SnapshotSelection(hasVectors: true)) { snapshot in
                try check(try await snapshot.next().map(\.record.id) == ["a", "raw"])
            }
            let operation = events.items[0].operation
            try check(
                try await !database.events(ofOperation: operation, after: 0, limit: 1, within: .everything).isEmpty)
            let latest = try await database.latestEvents(of: ["a"])[ExactString("a")] ?? 0
            let rewrite = RecordRewrite(id: "a", record: try MemoryRecord(id: "a", text: "green"), latestEvent: latest)
            try check(try await database.rewrite([rewrite], within: .everything) == [])
            try await database.sweepEvents(keptSeconds: 0)
            try check(try await database.events(of: "a", within: .everything, page: page).total == 0)
        }

        private func exerciseErasure() async throws {
            let scope = try ErasureScope(userID: "e")
            _ = try await database.add([MemoryRecord(id: "e", text: "white", userID: "e")])
            var (position, memories, events) = (String?.none, 0, 0)
            repeat {
                let step = try await database.erase(scope, from: position)
                (memories, events, position) = (memories + step.memories, events + step.events, step.next)
            } while position != nil
            try check(memories == 1 && events == 1)
            try await database.noteErasure("scope")
        }

        /// Does everything that a server does.
        ///
        /// - Returns: the messages of what was refused, and the reasons of parts that are not
        ///   ready.
        func exercise(_ admin: RedisClient) async throws -> [String] {
            var refusals: [String] = []
            func run(_ work: () async throws -> Void) async {
                do {
                    try await work()
                } catch {
                    refusals.append((error as? MemoryError)?.message ?? "\(error)")
                }
            }
            // As another server leaves a record: without words and with no vector.
            try await admin.send(RedisCommand("HSET", "memory_idx:raw", "id_", "raw", "text", "coffee"))
            // As an older version leaves the index, where there is one already.
            if let dropped = try? await admin.pipeline([RedisCommand("FT.DROPINDEX", "memory_records")])[0].get(),
                dropped.string == "OK"
            {
                try await admin.send(IndexSchema.older(.init()).creationWithoutMetadata("memory_records"))
            }
            await run { try await database.prepare() }
            await run { _ = try await database.add([MemoryRecord(id: "a", text: "tea")]) }
            await run { _ = try await database.sweep(updatedSince: .earliest) }
            // As a store that an older version has written to the last.
            try await admin.send(RedisCommand("HDEL", "memory_records_spaces", "analysis"))
            await run { try await database.reanalyze() }
            await run { try await database.completeVectors() }
            await run { _ = try await database.update([RecordUpdate(id: "a", changes: RecordChanges(text: "green"))]) }
            await run {
                _ = try await database.update([RecordUpdate(id: "a", changes: RecordChanges(eventDate: .set(nil)))])
            }
            await run { try check(try await database.addDistinct([MemoryRecord(id: "b", text: "black")]) == ["b"]) }
            await run { try check(try await database.addDistinct([MemoryRecord(id: "c", text: "black")]) == []) }
            await run { try check(try await database.delete(["b"]) == 1) }
            await run {
                let promoted = try ["a", "b"].map { try MemoryRecord(id: $0, text: "promoted") }
                let outcomes = try await database.promote(promoted, handedInAt: .earliest)
                try check(outcomes == [.present, .deleted])
            }
            for ranking in [
                .semantic(distanceThreshold: nil), .keyword(.bm25std), .hybrid(alpha: 0.5, .bm25std),
            ] as [SearchQuery.Ranking] {
                await run { try check(try await database.ids("green", ranking).first == "a") }
            }
            await run { try check(try await database.listed().count == 2) }
            await run { try check(try await database.count(.everything) == 2) }
            await run { try await exerciseHistory() }
            await run { try await exerciseErasure() }
            await run { try check(try await database.delete(["a", "raw"]) == 2) }

            await run { try await sessions.prepare() }
            let key = try SessionKey(sessionID: "s", userID: "u")
            var memory = try session(key)
            memory.ttlSeconds = 100
            let jobOfASession = NewJob(kind: "of-a-session", payload: [:])
            await run {
                try await sessions.write(
                    memory, expecting: .absent, writerStamp: nil, enqueueing: [jobOfASession])
            }
            await run { _ = try await sessions.append(SessionAppend(memory.messages, at: .now()), to: key) }
            await run {
                try await sessions.markPersisted(memoryIDs: [], messageIDs: ["m1"], at: .now(), in: key)
            }
            await run { try await sessions.markExtracted(memory.messages, in: key) }
            await run {
                let revision = try await sessions.read(key, lastMessages: nil)?.current.number ?? 0
                memory.ttlSeconds = nil
                try await sessions.write(memory, expecting: .revision(revision), writerStamp: nil)
            }
            await run {
                try check(try await sessions.matching(SessionReference(sessionID: "s"), limit: 1) == [key])
            }
            await run {
                try check(
                    try await sessions.sessionIDs(namespace: nil, userID: "u", page: PageRequest()).items == ["s"])
            }
            await run { try check(try await sessions.delete(key, expectedRevision: nil)) }

            await run { try await jobs.prepare() }
            await run { try await exerciseJobs() }

            await run { try await tokens.prepare() }
            await run { try await exerciseTokens() }

            await run { try await documents.prepare() }
            await run {
                let view = Document(DocumentKey(.summaryView, "v"), namespace: nil, userID: nil, body: [:])
                try check(try await documents.write(view, expecting: .absent, keptFor: 100) != nil)
                try check(try await documents.document(view.key)?.document == view)
                let page = try await documents.documents(
                    .summaryView, of: "", within: .everything, page: PageRequest())
                try check(page.total == 1)
                try check(try await documents.scan(.summaryView, from: nil).documents.count == 1)
                try check(try await documents.delete(view.key, revision: nil))
                try await documents.deleteAll(.summaryPartition, of: "v")
            }

            for part in await database.health() + sessions.health() + jobs.health() + tokens.health()
                + documents.health()
            {
                if let reason = part.reason { refusals.append(reason) }
            }
            return refusals
        }

        private func exerciseJobs() async throws {
            try await jobs.enqueue([
                NewJob(kind: "a", payload: [:], delay: .milliseconds(1)), NewJob(kind: "b", payload: [:]),
            ])
            func leased() async throws -> [LeasedJob] {
                var leased: [LeasedJob] = []
                while leased.count < 2 {
                    leased += try await jobs.lease(kinds: ["a", "b"], limit: 5, for: .seconds(60))
                }
                return leased
            }
            // Leases that have ended are found again.
            _ = try await jobs.lease(kinds: ["a", "b"], limit: 1, for: .milliseconds(1))
            for job in try await leased() {
                try check(try await jobs.extend(job, for: .seconds(60)))
                try check(try await jobs.retry(job, after: .zero, reason: "x"))
            }
            for job in try await leased() { try check(try await jobs.bury(job, reason: "y")) }
            try check(try await jobs.list(.dead, page: PageRequest()).total == 2)
            try check(try await jobs.requeue(nil) == 2)
            try check(try await jobs.time() > .earliest)
            let done = try await leased()
            try check(try await jobs.revise { _ in .remove }.leased.count == 2)
            for job in done { try check(try await jobs.complete(job)) }
            try await jobs.enqueue([NewJob(kind: "a", payload: [:]), NewJob(kind: "b", payload: [:])])
            let revised = try await jobs.revise { $0.kind == "a" ? .remove : .replacePayload(["new": 1]) }
            try check(revised.revised == 2 && revised.leased.isEmpty)
            let changed = try await jobs.lease(kinds: ["a", "b"], limit: 5, for: .seconds(60))
            try check(changed.map(\.payload) == [["new": 1]])
            for job in changed { try check(try await jobs.complete(job)) }
            try await jobs.noteDeleted(["a"])
            try check(try await jobs.deleted(["a", "z"], since: .earliest) == ["a"])
        }

        private func exerciseTokens() async throws {
            func token(_ secret: String) -> AccessToken {
                AccessToken(
                    hash: AccessToken.hash(ofSecret: secret), description: secret, rights: .read, createdAt: .now())
            }
            let (old, new) = (token("old"), token("new"))
            try await tokens.add(old)
            try check(try await tokens.replace(hash: old.hash, expiringAt: .now(), with: new))
            try check(try await tokens.token(hash: new.hash) != nil)
            try check(try await tokens.tokens(hashPrefix: "", page: PageRequest()).total == 2)
            try await tokens.noteUse([new.hash: .now()])
            try check(try await tokens.revision() > 0)
            for token in [old, new] { try check(try await tokens.remove(hash: token.hash)) }
        }

        private struct WrongAnswer: Error {
            let line: UInt
        }

        private func check(_ isRight: Bool, line: UInt = #line) throws {
            guard isRight else { throw WrongAnswer(line: line) }
        }
    }

    @Test func `the documented rights are enough and none is too many`() async throws {
        let rights = try DocumentedRights()
        #expect(rights.keys.count > 3 && rights.commands.count > 20 && rights.optional.count > 3)
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                let admin = store.client
                var endpoint = store.endpoint
                endpoint.user = "agent-memory"
                endpoint.password = "secret"
                func allow(_ words: [String]) async throws {
                    try await admin.send(RedisCommand(["ACL", "SETUSER", "agent-memory"] + words))
                }
                try await allow(["on", ">secret"] + rights.keys + rights.commands)
                let stores = try Stores(endpoint)
                #expect(try await stores.exercise(admin) == [])
                // Without the right to set the engine up, what it would answer short is refused.
                let filter = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, startsWith: "u")])
                let refused = await #expect(throws: MemoryError.self) { try await stores.database.count(filter) }
                #expect(refused?.code == .unsupported)
                await stores.close()

                for right in rights.commands {
                    let command = right.dropFirst()
                    try await allow(["-\(command)"])
                    // A script that the server knows is not sent, an index that is there not made.
                    try await admin.send(RedisCommand("SCRIPT", "FLUSH"))
                    let stores = try Stores(endpoint, indexSuffix: right == "+ft.create" ? "_new" : "")
                    let refusals = try await stores.exercise(admin)
                    #expect(refusals.contains { $0.contains("the command \(command):") }, "\(right): \(refusals)")
                    await stores.close()
                    try await allow([right])
                    try await clean(admin)
                }
                for key in rights.keys {
                    try await allow(["resetkeys"] + rights.keys.filter { $0 != key })
                    let stores = try Stores(endpoint)
                    let refusals = try await stores.exercise(admin)
                    #expect(refusals.contains { $0.contains("the ACL lacks a key pattern") }, "\(key): \(refusals)")
                    await stores.close()
                    try await clean(admin)
                }

                try await allow(["resetkeys"] + rights.keys + rights.optional)
                let complete = try Stores(endpoint)
                #expect(try await complete.exercise(admin) == [])
                #expect(try await complete.database.count(filter) == 0)
                await complete.close()
            }
        }
    }

    /// Removes what an exercise that was refused half-way has left.
    private func clean(_ admin: RedisClient) async throws {
        let keys = try await admin.send(RedisCommand("KEYS", "agent_memory:*")).array?.compactMap(\.string) ?? []
        let all = keys + ["memory_idx:a", "memory_idx:raw", "working_memory:u:s"]
        try await admin.send(RedisCommand(["DEL"] + all))
    }

    /// A start with credentials that are refused ends; a running server answers that its store
    /// cannot be used, and works again when it is let in.
    @Test func `credentials that are refused`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                let admin = store.client
                func user(_ password: String) async throws {
                    try await admin.send(
                        RedisCommand("ACL", "SETUSER", "u", "on", "resetpass", ">\(password)", "~*", "+@all"))
                }
                try await user("hunter2")
                var wrong = store.endpoint
                wrong.user = "u"
                wrong.password = "hunter3"
                let unknown = try Stores(wrong)
                for prepare in [unknown.database.prepare, unknown.sessions.prepare, unknown.jobs.prepare] {
                    let error = await #expect(throws: MemoryError.self) { try await prepare() }
                    #expect(error?.code == .misconfigured && error?.message.contains("credentials") == true)
                    #expect("\(String(describing: error))".contains("hunter") == false)
                }
                await unknown.close()

                var right = wrong
                right.password = "hunter2"
                let stores = try Stores(right)
                try await stores.database.prepare()
                // Ends the user's connections too.
                try await admin.send(RedisCommand("ACL", "DELUSER", "u"))
                let key = try SessionKey(sessionID: "s")
                for work in [
                    { _ = try await stores.database.add([MemoryRecord(id: "a", text: "tea")]) },
                    { _ = try await stores.database.listed() },
                    { _ = try await stores.sessions.read(key, lastMessages: nil) },
                    { _ = try await stores.jobs.enqueue([NewJob(kind: "a", payload: [:])]) },
                ] as [@Sendable () async throws -> Void] {
                    let error = await #expect(throws: MemoryError.self) { try await work() }
                    #expect(error?.code == .storeUnavailable, "\(String(describing: error))")
                }
                let reason = await stores.database.health().first?.reason
                #expect(reason?.contains("credentials") == true)
                try await user("hunter2")
                _ = try await stores.database.add([MemoryRecord(id: "a", text: "tea")])
                #expect(try await stores.database.listed() == ["a"])
                await stores.close()
            }
        }
    }
}
