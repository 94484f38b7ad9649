import AgentMemory
import Foundation
import HTTPClient
import MemoryConformance
import TestSupport
import Testing

/// Random requests of callers with narrow tokens, against a model that knows who may see what.
///
/// `TENANT_REQUESTS` sets how many there are, `TENANT_SEED` where they begin.
@Suite(.tags(.server)) struct TenantTests {
    private static let requests = number("TENANT_REQUESTS") ?? 250
    private static let seed = UInt64(number("TENANT_SEED") ?? 7)

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }

    private struct Tenant {
        let scope: AccessScope
        let client: RESTClient
    }

    @Test(arguments: Store.allCases)
    func `no request sees or changes what is another tenant's`(_ store: Store) async throws {
        try await check(try store.environment())
    }

    @Test func `no request does so where the database limits transactions too`() async throws {
        try await Store.withRowSecurity { try await check($0) }
    }

    private func check(_ environment: [String: String]) async throws {
        var environment = environment
        var secrets: [String] = []
        let limits: [(namespaces: [String], users: [String])] = [
            (["a"], ["*"]), (["b"], ["*"]), (["team-*"], ["*"]), (["a", "team-1"], ["u"]), (["*"], ["v"]),
            (["a*", "b"], ["u", "w*"]), (["c"], ["u"]),
        ]
        for (index, limit) in limits.enumerated() {
            let secret = AccessToken.newSecret()
            secrets.append(secret)
            let added = try await ServerProcess.command(
                ["token", "add", "-d", "tenant \(index)", "--token=\(secret)"]
                    + limit.namespaces.flatMap { ["--namespace", $0] } + limit.users.flatMap { ["--user", $0] },
                environment)
            try #require(added.status == 0, "\(added.output)")
        }
        environment["AUTH_MODE"] = "token"
        try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            let tenants = try zip(limits, secrets).map { limit, secret in
                Tenant(
                    scope: AccessScope(
                        namespaces: try PermittedValues(patterns: limit.namespaces, field: "namespaces"),
                        users: try PermittedValues(patterns: limit.users, field: "users")),
                    client: RESTClient(server.url, credentials: ["Authorization": "Bearer \(secret)"]))
            }
            var model = TenantModel(seed: Self.seed)
            for number in 0..<Self.requests {
                let tenant = tenants[model.random(tenants.count)]
                let request = model.next(number)
                let expected = model.apply(request, within: tenant.scope)
                let answer = try await tenant.client.send(request.method, request.path, request.body)
                let label = "request \(number) (\(tenant.scope.json)): \(request)"
                #expect(
                    answer.status == expected.status || expected.mayBeMissing && answer.status == 404,
                    "\(label): \(answer.json.jsonText)")
                if let ids = expected.ids {
                    let found =
                        answer.json["memories"] == nil
                        ? answer.json["sessions"]?.stringsValue ?? [] : answer.ids
                    #expect(found.sorted() == ids.sorted(), "\(label)")
                    #expect(answer.total == ids.count, "\(label)")
                }
                if let count = expected.count { #expect(answer.json["count"]?.intValue == count, "\(label)") }
                if let said = expected.said { #expect(answer.json["status"]?.stringValue == said, "\(label)") }
                if let exported = expected.exported {
                    let found = answer.text.split(separator: "\n").compactMap { line in
                        (try? JSONValue(parsing: String(line)))?["record"]?["id"]?.stringValue
                    }
                    #expect(found.sorted() == exported.sorted(), "\(label)")
                }
                let text = answer.text
                for owner in model.owners where !tenant.scope.contains(namespace: owner.namespace, userID: owner.user) {
                    #expect(!text.contains(owner.mark), "\(label): shows \(owner.mark)")
                }
                guard answer.status == expected.status || expected.mayBeMissing else { return }
            }
        }
    }
}

/// Who owns what, and what each request must say about it.
private struct TenantModel {
    struct Owner: Hashable {
        let namespace: String?
        let user: String?
        /// Stands in each text of the owner, and in no other.
        var mark: String { "mark<\(namespace ?? "")|\(user ?? "")>" }
    }

    struct Request: CustomStringConvertible {
        var method: HTTPClient.Method
        var path: String
        var body: JSONValue?
        var kind: Kind
        var description: String { "\(method.rawValue) \(path) \(body?.jsonText ?? "")" }
    }

    enum Kind {
        case create(id: String, namespace: String?, user: String?)
        case get(String)
        case editText(String, text: String)
        case move(String, namespace: String)
        case delete([String])
        case list(MemoryFilter)
        case count(MemoryFilter)
        case appendToSession(String, namespace: String?, user: String?)
        case getSession(String, namespace: String?, user: String?)
        case listSessions(namespace: String?, user: String?)
        case export
        /// Whatever may be shown, none of it is of another owner.
        case read(mayBeMissing: Bool)
    }

    struct Expectation {
        var status = 200
        var ids: [String]?
        var count: Int?
        var said: String?
        var exported: [String]?
        var mayBeMissing = false
    }

    private var generator: SeededGenerator
    private var records: [String: MemoryRecord] = [:]
    private var sessions: Set<SessionKey> = []
    private(set) var owners: Set<Owner> = []

    private static let namespaces = ["a", "ab", "b", "c", "team-1", "team-2", "team"]
    private static let users = ["u", "v", "w1"]

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func random(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }
    private mutating func pick(_ values: [String]) -> String { values[random(values.count)] }
    private mutating func maybe(_ values: [String]) -> String? { random(4) == 0 ? nil : pick(values) }
    private mutating func id() -> String { "id-\(random(25))" }

    mutating func next(_ number: Int) -> Request {
        let records = "/v1/long-term-memory/"
        let sessions = "/v1/working-memory/"
        switch random(16) {
        case 0...3:
            let (id, namespace, user) = (id(), maybe(Self.namespaces), maybe(Self.users))
            var memory: JSONObject = ["id": .string(id), "text": .string(text(number, namespace, user))]
            memory["namespace"] = namespace.map { .string($0) }
            memory["user_id"] = user.map { .string($0) }
            return Request(
                method: .post, path: records,
                body: ["memories": [.object(memory)], "deduplicate": .bool(random(2) == 0)],
                kind: .create(id: id, namespace: namespace, user: user))
        case 4:
            let id = id()
            return Request(method: .get, path: records + id, kind: .get(id))
        case 5:
            let id = id()
            return Request(
                method: .patch, path: records + id, body: ["text": .string("edited \(number)")],
                kind: .editText(id, text: "edited \(number)"))
        case 6:
            let (id, namespace) = (id(), pick(Self.namespaces))
            return Request(
                method: .patch, path: records + id,
                // The old text says whose it was.
                body: ["namespace": .string(namespace), "text": .string("moved \(number)")],
                kind: .move(id, namespace: namespace))
        case 7:
            let ids = [id(), id()]
            return Request(
                method: .delete, path: "/v1/long-term-memory?memory_ids=\(ids[0])&memory_ids=\(ids[1])",
                kind: .delete(ids))
        case 8, 9:
            let (body, filter) = filter()
            var search = body
            search["limit"] = 100
            let isSearch = random(2) == 0
            if isSearch { search["text"] = "something" }
            return Request(
                method: .post, path: records + (isSearch ? "search" : "list"), body: .object(search),
                kind: .list(filter))
        case 10:
            let (body, filter) = filter()
            return Request(method: .post, path: records + "count", body: .object(body), kind: .count(filter))
        case 11:
            let (id, namespace, user) = (id(), maybe(Self.namespaces), maybe(Self.users))
            let body: JSONObject = [
                "messages": [["role": "user", "content": .string(text(number, namespace, user))]]
            ]
            return Request(
                method: .post, path: sessions + id + "/messages" + Self.query(namespace, user), body: .object(body),
                kind: .appendToSession(id, namespace: namespace, user: user))
        case 12:
            let (id, namespace, user) = (id(), maybe(Self.namespaces), maybe(Self.users))
            return Request(
                method: .get, path: sessions + id + Self.query(namespace, user),
                kind: .getSession(id, namespace: namespace, user: user))
        case 13: return Request(method: .get, path: "/v1/export", kind: .export)
        case 14:
            let (path, mayBeMissing) =
                switch random(3) {
                case 0: ("/v1/events?limit=1000", false)
                case 1: ("/v1/tasks", false)
                default: (records + id() + "/history", true)
                }
            return Request(method: .get, path: path, kind: .read(mayBeMissing: mayBeMissing))
        default:
            let (namespace, user) = (maybe(Self.namespaces), maybe(Self.users))
            let query = Self.query(namespace, user)
            return Request(
                method: .get, path: sessions + (query.isEmpty ? "?" : query + "&") + "limit=100",
                kind: .listSessions(namespace: namespace, user: user))
        }
    }

    /// Says whose it is, as far as the request does.
    private mutating func text(_ number: Int, _ namespace: String?, _ user: String?) -> String {
        let owner = Owner(namespace: namespace, user: user)
        if namespace != nil, user != nil { owners.insert(owner) }
        return "text \(number) \(namespace != nil && user != nil ? owner.mark : "")"
    }

    private static func query(_ namespace: String?, _ user: String?) -> String {
        let parts = [namespace.map { "namespace=\($0)" }, user.map { "user_id=\($0)" }].compactMap(\.self)
        return parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
    }

    private mutating func filter() -> (JSONObject, MemoryFilter) {
        let value = pick(Self.namespaces)
        let other = pick(Self.namespaces)
        let (body, condition): (JSONObject, TagCondition?) =
            switch random(6) {
            case 0: (["namespace": ["eq": .string(value)]], try? TagCondition(field: .namespace, eq: value))
            case 1: (["namespace": ["ne": .string(value)]], try? TagCondition(field: .namespace, ne: value))
            case 2:
                (
                    ["namespace": ["any": [.string(value), .string(other)]]],
                    try? TagCondition(field: .namespace, any: [value, other])
                )
            case 3: (["namespace": ["startswith": "a"]], try? TagCondition(field: .namespace, startsWith: "a"))
            default: ([:], nil)
            }
        return (body, MemoryFilter(tags: condition.map { [.namespace: $0] } ?? [:]))
    }

    // MARK: What must happen

    mutating func apply(_ request: Request, within scope: AccessScope) -> Expectation {
        func visible(_ id: String) -> MemoryRecord? { records[id].flatMap { scope.contains($0) ? $0 : nil } }
        let missing = Expectation(status: 404)
        switch request.kind {
        case .create(let id, let namespace, let user):
            guard let owner = Self.completed(namespace, user, scope) else { return Expectation(status: 403) }
            if let stored = records[id], !scope.contains(stored) { return Expectation(status: 409) }
            let text = request.body?["memories"]?.arrayValue?.first?["text"]?.stringValue ?? ""
            records[id] = try? MemoryRecord(id: id, text: text, userID: owner.user, namespace: owner.namespace)
            return Expectation()
        case .get(let id):
            return visible(id) == nil ? missing : Expectation()
        case .editText(let id, let text):
            guard visible(id) != nil else { return missing }
            if let changes = try? RecordChanges(text: text) { records[id]?.apply(changes) }
            return Expectation()
        case .move(let id, let namespace):
            guard scope.namespaces.contains(namespace) else { return Expectation(status: 403) }
            guard visible(id) != nil else { return missing }
            if let changes = try? RecordChanges(namespace: .set(namespace)) { records[id]?.apply(changes) }
            return Expectation()
        case .delete(let ids):
            let removed = Set(ids).filter { visible($0) != nil }
            for id in removed { records[id] = nil }
            return Expectation(said: "ok, deleted \(removed.count) memories")
        case .list(let filter):
            return Expectation(ids: matching(filter, scope))
        case .count(let filter):
            return Expectation(count: matching(filter, scope).count)
        case .appendToSession(let id, let namespace, let user):
            guard let owner = Self.completed(namespace, user, scope) else { return Expectation(status: 403) }
            sessions.insert(SessionKey(storedSessionID: id, namespace: owner.namespace, userID: owner.user))
            return Expectation()
        case .getSession(let id, let namespace, let user):
            let wanted = SessionKey(
                storedSessionID: id, namespace: namespace ?? scope.namespaces.only, userID: user ?? scope.users.only)
            let found = sessions.filter { key in
                key.sessionID == id && scope.contains(key) && (namespace == nil || key.namespace == namespace)
                    && (user == nil || key.userID == user)
            }
            if found.contains(wanted) { return Expectation() }
            return Expectation(status: found.isEmpty ? 404 : found.count == 1 ? 200 : 409)
        case .listSessions(let namespace, let user):
            let found = sessions.filter { key in
                scope.contains(key) && (namespace == nil || key.namespace == namespace)
                    && (user == nil || key.userID == user)
            }
            return Expectation(ids: Array(Set(found.map(\.sessionID))))
        case .export: return Expectation(exported: matching(.everything, scope))
        case .read(let mayBeMissing): return Expectation(mayBeMissing: mayBeMissing)
        }
    }

    private func matching(_ filter: MemoryFilter, _ scope: AccessScope) -> [String] {
        records.values.filter { scope.contains($0) && filter.matches($0) }.map(\.id)
    }

    /// `nil` if the caller may not write there.
    private static func completed(
        _ namespace: String?, _ user: String?, _ scope: AccessScope
    ) -> (namespace: String?, user: String?)? {
        let namespace = namespace ?? scope.namespaces.only
        let user = user ?? scope.users.only
        return scope.contains(namespace: namespace, userID: user) ? (namespace, user) : nil
    }
}

/// The same numbers for the same seed (SplitMix64).
private struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
