import AgentMemory
import Foundation
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// The database's own limits, with the server's narrowing left out: no filter and no call here says
/// whose records it is for.
@Suite(.serialized, .tags(.store)) struct RowSecurityTests {
    /// How many random turns there are.
    private static let turns = ProcessInfo.processInfo.environment["ROW_SECURITY_TURNS"].flatMap { Int($0) } ?? 260

    private struct Stores {
        let database: PostgresDatabase
        let memories: PostgresMemoryDatabase
        let sessions: PostgresWorkingMemoryStore
        let jobs: PostgresJobQueue

        init(schema: String, url: String, rowSecurity: Bool = true) throws {
            var configuration = try TestStore.configuration(schema: schema, url: url).database
            configuration.poolSize = 4
            configuration.timeout = .seconds(60)
            configuration.rowSecurity = rowSecurity
            database = try PostgresDatabase(configuration: configuration, logger: TestStore.logger)
            memories = try PostgresMemoryDatabase(
                database: database, embedder: TestEmbedder(dimensions: 256), logger: TestStore.logger)
            sessions = PostgresWorkingMemoryStore(database: database)
            jobs = PostgresJobQueue(database: database)
        }

        func close() async {
            await memories.close()
            await sessions.close()
            await jobs.close()
        }
    }

    /// A schema whose owner is not a superuser.
    private func withOwner(_ body: (_ schema: String, _ url: String) async throws -> Void) async throws {
        try await TestStore.withRole { schema, role, url in
            try await TestStore.administer("CREATE SCHEMA \(schema) AUTHORIZATION \(role)")
            try await body(schema, url)
        }
    }

    private func withStores(_ body: (Stores) async throws -> Void) async throws {
        try await withOwner { schema, url in
            let stores = try Stores(schema: schema, url: url)
            try await stores.memories.prepare()
            try await withClosing {
                try await body(stores)
            } close: {
                await stores.close()
            }
        }
    }

    private func within<Value>(_ scope: AccessScope?, _ body: () async throws -> Value) async rethrows -> Value {
        try await AccessScope.$current.withValue(scope, operation: body)
    }

    private static func scope(_ namespaces: [String], _ users: [String]) throws -> AccessScope {
        AccessScope(
            namespaces: try PermittedValues(patterns: namespaces, field: "namespaces"),
            users: try PermittedValues(patterns: users, field: "users"))
    }

    private static func scopes() throws -> [AccessScope] {
        [
            try scope(["a"], ["*"]), try scope(["team_*"], ["*"]), try scope(["a", "team_1"], ["u"]),
            try scope(["*"], ["v"]), try scope(["a%"], ["u", "w*"]), try scope(["b\\*"], ["*"]), .everything,
            AccessScope(namespaces: PermittedValues(exactly: [])), AccessScope(users: PermittedValues(exactly: ["*"])),
        ]
    }

    private static let namespaces: [String?] = ["a", "ab", "a%", "team_1", "team-1", "team_", "b\\", "b\\c", nil]
    private static let users: [String?] = ["u", "v", "w1", "*", nil]

    @Test func `a snapshot has what the caller reaches`() async throws {
        try await withStores { stores in
            let selection = try SnapshotSelection()
            func seen() async throws -> (records: [String], sessions: [SessionKey]) {
                try await stores.memories.withSnapshot(of: selection) { records in
                    let found = try await records.next().map(\.record.id)
                    return try await stores.sessions.withSessions(of: selection) { sessions in
                        (found, try await sessions.next().map(\.key))
                    }
                }
            }
            let keys = try ["ada", "ben"].map { try SessionKey(sessionID: "s", userID: $0) }
            try await AccessScope.everything.limiting {
                _ = try await stores.memories.add([
                    MemoryRecord(id: "a", text: "tea", userID: "ada"),
                    MemoryRecord(id: "b", text: "tea", userID: "ben"),
                ])
                for key in keys { try await stores.sessions.create(Sample.session(key)) }
                let all = try await seen()
                #expect(all.records == ["a", "b"] && all.sessions == keys)
            }
            try await Caller(subject: "ada", users: ["ada"], rights: .read).scope.limiting {
                let own = try await seen()
                #expect(own.records == ["a"] && own.sessions == [keys[0]])
            }
            let nothing = try await seen()
            #expect(nothing.records.isEmpty && nothing.sessions.isEmpty)
        }
    }

    @Test func `no statement sees or changes what is outside of the scope`() async throws {
        try await withStores { stores in
            var random = SplitMix(seed: 11)
            let scopes = try Self.scopes()
            var records: [String: MemoryRecord] = [:]
            var known: Set<SessionKey> = []
            for turn in 0..<Self.turns {
                let scope = scopes[Int.random(in: 0..<scopes.count, using: &random)]
                let id = "id-\(Int.random(in: 0..<18, using: &random))"
                let namespace = Self.namespaces[Int.random(in: 0..<Self.namespaces.count, using: &random)]
                let user = Self.users[Int.random(in: 0..<Self.users.count, using: &random)]
                let record = try MemoryRecord(id: id, text: "red \(turn)", userID: user, namespace: namespace)
                let (isMine, stored) = (scope.contains(record), records[id])
                let sees = stored.map { scope.contains($0) } ?? false
                let key = try SessionKey(sessionID: "s", namespace: namespace, userID: user)
                let label = "turn \(turn): \(scope.json), \(id), \(namespace ?? "-"), \(user ?? "-")"
                switch Int.random(in: 0..<8, using: &random) {
                case 0, 1:
                    let distinct = turn.isMultiple(of: 2)
                    let code = await failureCode {
                        try await within(scope) {
                            try await distinct
                                ? stores.memories.addDistinct([record], within: .everything)
                                : stores.memories.add([record], within: .everything)
                        }
                    }
                    let isRefused = !isMine || (stored != nil && !sees)
                    #expect(code == (isRefused ? .conflict : nil), "\(label)")
                    if code == nil { records[id] = record }
                case 2:
                    let changes = try RecordChanges(text: "blue \(turn)", namespace: .set(namespace))
                    var moved = stored
                    moved?.apply(changes)
                    let leaves = sees && moved.map { !scope.contains($0) } == true
                    var changed = 0
                    let code = await failureCode {
                        changed = try await within(scope) {
                            try await stores.memories.update(
                                [RecordUpdate(id: id, changes: changes)], within: .everything)
                        }
                    }
                    #expect(code == (leaves ? .conflict : nil), "\(label)")
                    #expect(changed == (sees && !leaves ? 1 : 0), "\(label)")
                    if changed == 1 { records[id] = moved }
                case 3:
                    let count = try await within(scope) { try await stores.memories.delete([id], within: .everything) }
                    #expect(count == (sees ? 1 : 0), "\(label)")
                    if count == 1 { records[id] = nil }
                case 4 where isMine:
                    let outcome = try await within(scope) {
                        try await stores.memories.promote([record], handedInAt: .now())
                    }
                    let expected: PromotionOutcome =
                        stored.map { $0.sharesOwner(with: record) ? .present : .taken } ?? .stored
                    #expect(outcome == [expected], "\(label)")
                    if outcome == [.stored] { records[id] = record }
                case 5:
                    let code = await failureCode {
                        try await within(scope) { try await stores.sessions.create(Sample.session(key)) }
                    }
                    #expect(code == (!isMine || known.contains(key) ? .conflict : nil), "\(label)")
                    if code == nil { known.insert(key) }
                case 6:
                    let isThere = isMine && known.contains(key)
                    let message = try Sample.message("m\(turn)")
                    let (read, added) = try await within(scope) {
                        (
                            try await stores.sessions.read(key, lastMessages: nil),
                            try await stores.sessions.append(SessionAppend([message], at: .now()), to: key)
                        )
                    }
                    #expect((read != nil) == isThere, "\(label)")
                    #expect((added != nil) == isThere, "\(label)")
                    if turn.isMultiple(of: 3) {
                        let gone = try await within(scope) {
                            try await stores.sessions.delete(key, expectedRevision: nil)
                        }
                        #expect(gone == isThere, "\(label)")
                        if gone { known.remove(key) }
                    }
                default: break
                }
                guard turn.isMultiple(of: 5) else { continue }
                try await compare(stores, scope, records, known, label)
            }
            try await compare(stores, nil, records, known, "without a scope")
        }
    }

    private func compare(
        _ stores: Stores, _ scope: AccessScope?, _ records: [String: MemoryRecord], _ known: Set<SessionKey>,
        _ label: String
    ) async throws {
        let expected = records.values.filter { scope?.contains($0) == true }.map(\.id).sorted()
        let memories = stores.memories
        let page = try PageRequest(limit: 100)
        let (listed, count, byID) = try await within(scope) {
            (
                try await memories.list(ListQuery(page: page)), try await memories.count(.everything),
                try await memories.records(withIDs: Array(records.keys))
            )
        }
        #expect(listed.items.map(\.id).sorted() == expected, "\(label)")
        #expect(listed.total == expected.count && count == expected.count, "\(label)")
        #expect(byID.count == expected.count, "\(label)")
        for ranking in [SearchQuery.Ranking.semantic(distanceThreshold: nil), .hybrid(alpha: 0.5, .bm25std)] {
            let query = try SearchQuery(text: "red", ranking: ranking, page: page)
            let found = try await within(scope) { try await memories.search(query) }
            #expect(found.items.map(\.record.id).sorted() == expected, "\(label)")
            #expect(found.total == expected.count, "\(label)")
        }
        let visible = known.filter { scope?.contains($0) == true }
        let (keys, ids) = try await within(scope) {
            (
                try await stores.sessions.matching(
                    SessionReference(sessionID: "s"), within: .everything, limit: 100),
                try await stores.sessions.sessionIDs(namespace: nil, userID: nil, within: .everything, page: page)
            )
        }
        #expect(Set(keys) == visible, "\(label)")
        #expect(ids.total == (visible.isEmpty ? 0 : 1), "\(label)")
    }

    @Test func `a whole session and its jobs are written within a scope`() async throws {
        try await withStores { stores in
            let scope = try Self.scope(["a"], ["*"])
            let key = try SessionKey(sessionID: "s", namespace: "a")
            let jobs = [NewJob(kind: "k", payload: ["x": 1])]
            let read = try await within(scope) {
                let first = Sample.session(key, try Sample.messages(0..<3), memories: [try Sample.memory("r")])
                let made = try await stores.sessions.write(
                    first, expecting: .absent, writerStamp: nil, enqueueing: jobs)
                let second = Sample.session(
                    key, try Sample.messages(1..<5), memories: [try Sample.memory("r"), try Sample.memory("q")],
                    step: 1)
                try await stores.sessions.write(
                    second, expecting: .revision(made.number), writerStamp: nil, enqueueing: jobs)
                try await stores.sessions.markPersisted(memoryIDs: ["r"], messageIDs: ["m1"], at: .now(), in: key)
                return try await stores.sessions.read(key, lastMessages: nil)
            }
            #expect(read?.memory.messages.map(\.id) == ["m1", "m2", "m3", "m4"])
            #expect(read?.memory.memories.count == 2)
            // The server's own work reaches them, whatever the scope of the task.
            #expect(try await stores.jobs.lease(kinds: ["k"], limit: 9, for: .seconds(60)).count == 2)
            for table in ["session_messages", "session_memories", "session_revisions", "jobs"] {
                for other in [nil, try Self.scope(["b"], ["*"])] {
                    let rows = try await within(other) {
                        try await stores.database.query(
                            PostgresStatement("SELECT count(*) FROM \(table)"), retry: .repeatable, deadline: .soon
                        ).singleRow().int(0)
                    }
                    #expect(rows == 0, "\(table)")
                }
            }
        }
    }

    @Test func `documents are reached within their scope alone`() async throws {
        try await withStores { stores in
            let documents = PostgresDocumentStore(database: stores.database)
            let mine = Document(DocumentKey(.summaryView, "v"), namespace: "a", userID: nil, body: [:])
            let scope = try Self.scope(["a"], ["*"])
            let revision = try await within(scope) {
                try await documents.write(mine, expecting: .absent, keptFor: nil)
            }
            #expect(revision != nil)
            for other in [nil, try Self.scope(["b"], ["*"])] {
                let (found, deleted) = try await within(other) {
                    (
                        try await documents.document(mine.key),
                        try await documents.delete(mine.key, revision: nil)
                    )
                }
                #expect(found == nil && !deleted)
                await #expect(throws: (any Error).self) {
                    try await within(other) {
                        try await documents.write(mine, expecting: .anything, keptFor: nil)
                    }
                }
            }
            let kept = try await within(scope) { try await documents.document(mine.key) }
            #expect(kept != nil)
            await documents.close()
        }
    }

    @Test func `events are written and seen within a scope, and nothing else is rewritten`() async throws {
        try await withStores { stores in
            let memories = stores.memories
            let scopes = [try Self.scope(["a"], ["*"]), try Self.scope(["b"], ["*"])]
            for (scope, namespace) in zip(scopes, ["a", "b"]) {
                try await within(scope) {
                    let record = try MemoryRecord(id: "r-\(namespace)", text: "red", namespace: namespace)
                    _ = try await memories.add([record], within: scope)
                    let changes = try RecordChanges(text: "blue")
                    _ = try await memories.update([RecordUpdate(id: record.id, changes: changes)], within: scope)
                }
            }
            let (events, latest, refused) = try await within(scopes[0]) {
                (
                    try await memories.events(after: 0, limit: 10, within: .everything),
                    try await memories.latestEvents(of: ["r-a", "r-b"]),
                    try await memories.rewrite(
                        [
                            RecordRewrite(id: "r-a", record: nil, latestEvent: 2),
                            RecordRewrite(
                                id: "r-b", record: try MemoryRecord(id: "r-b", text: "red", namespace: "a"),
                                latestEvent: 0),
                        ], within: .everything)
                )
            }
            #expect(events.map(\.id) == ["r-a", "r-a"])
            #expect(latest.keys.map(\.value) == ["r-a"])
            #expect(refused == ["r-b"])
            let unlimited = try await within(.everything) {
                try await memories.events(after: 0, limit: 10, within: .everything)
            }
            #expect(unlimited.map(\.id) == ["r-a", "r-a", "r-b", "r-b"])
            let without = try await within(nil) { try await memories.events(after: 0, limit: 10, within: .everything) }
            #expect(without.isEmpty)
        }
    }

    @Test func `every table is protected or known to hold nothing of tenants`() async throws {
        try await withStores { stores in
            let open = try await stores.database.ask(
                """
                SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
                AND relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY 1
                """
            ).rows.map { try $0.text(0) }
            #expect(
                open == [
                    "access_token_changes", "access_tokens", "memory_deletions", "memory_totals", "schema_migrations",
                    "vector_spaces",
                ])
        }
    }

    @Test func `the setting is turned off by a migration, and never by a start`() async throws {
        try await withOwner { schema, url in
            func prepare(_ rowSecurity: Bool) async throws {
                let stores = try Stores(schema: schema, url: url, rowSecurity: rowSecurity)
                try await withClosing {
                    try await stores.memories.prepare()
                } close: {
                    await stores.close()
                }
            }
            func migrate(_ rowSecurity: Bool) async throws {
                try await Migrator(
                    databaseURL: try SharedServer.url(pastPooler: url) ?? url, schema: schema, rowSecurity: rowSecurity,
                    logger: TestStore.logger
                ).up()
            }
            try await prepare(false)
            try await prepare(true)
            #expect(await failureCode { try await prepare(false) } == .misconfigured)
            try await migrate(false)
            try await prepare(false)
            try await migrate(true)
            #expect(await failureCode { try await prepare(false) } == .misconfigured)
            try await prepare(true)
        }
    }

    @Test func `a user whom row security does not hold for is refused`() async throws {
        try await TestStore.withSchema { schema in
            let stores = try Stores(schema: schema, url: SharedServer.postgresURL())
            #expect(await failureCode { try await stores.memories.prepare() } == .misconfigured)
            await stores.close()
        }
    }
}
