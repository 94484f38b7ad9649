import AgentMemory
import HTTPTypes
import Logging
import MemoryService
import ReferenceBackend
import Testing

@testable import MemoryHTTP

/// Access tokens at the API.
@Suite struct AuthenticationTests {
    private let store = ReferenceTokenStore()

    private func token(
        _ secret: String, _ rights: Caller.Rights = [.read, .write], namespaces: [String] = ["*"],
        expires: Timestamp? = nil
    ) async throws -> String {
        try await store.add(
            AccessToken(
                hash: AccessToken.hash(ofSecret: secret), description: secret, rights: rights,
                scope: AccessScope(namespaces: try PermittedValues(patterns: namespaces, field: "namespaces")),
                createdAt: APIFixture.now, expiresAt: expires))
        return secret
    }

    private func run(
        perMinute: Int? = nil, _ body: @Sendable @escaping (APIFixture) async throws -> Void
    ) async throws {
        var configuration = APIRouter.Configuration()
        configuration.access = HTTPAccess(
            mode: "token",
            authenticator: TokenAuthenticator(store: store, logger: Logger(label: "test"), now: { APIFixture.now }),
            requestsPerMinute: perMinute)
        try await APIFixture.run(configuration: configuration, body)
    }

    private static func bearer(_ secret: String) -> HTTPFields { [.authorization: "Bearer \(secret)"] }
    private static let apiKey = HTTPField.Name("X-API-Key")!

    /// What the reference has open, and its statuses before it looks at a token.
    @Test func `some routes are open, and what is not there is said to everyone`() async throws {
        try await run { api in
            #expect(try await api.send(.get, "/v1/health").status == 200)
            #expect(try await api.send(.get, "/v1/nowhere").status == 404)
            #expect(try await api.send(.put, "/v1/long-term-memory/search").status == 405)
            for (method, path) in [
                (HTTPRequest.Method.get, "/v1/working-memory/"), (.get, "/v1/working-memory/s"),
                (.post, "/v1/long-term-memory/forget"), (.get, "/v1/tasks/x"), (.get, "/v1/summary-views"),
                (.get, "/v1/long-term-memory/x"), (.delete, "/v1/long-term-memory?memory_ids=x"),
            ] {
                let answer = try await api.send(method, path)
                #expect(answer.status == 401 && answer.detail == "Missing authorization header", "\(path)")
                #expect(answer.headers[.wwwAuthenticate] == "Bearer")
            }
            let broken = try await api.send(.post, "/v1/long-term-memory/search", "{broken")
            #expect(broken.status == 401)
        }
    }

    @Test func `details of readiness are for callers`() async throws {
        let secret = try await token("s")
        try await run { api in
            let anyone = try await api.send(.get, "/v1/ready")
            #expect(anyone.status == 200 && anyone.text == #"{"status":"ok"}"#)
            let caller = try await api.send(.get, "/v1/ready", headers: Self.bearer(secret))
            #expect(caller.json["auth"] == "token" && caller.json["components"] != nil)
        }
        try await APIFixture.run { api in
            let answer = try await api.send(.get, "/v1/ready")
            #expect(answer.json["auth"] == "disabled")
        }
    }

    @Test func `a token is presented in one of three ways`() async throws {
        let secret = try await token("a-secret")
        try await run { api in
            let accepted: [HTTPFields] = [
                Self.bearer(secret), [.authorization: "bearer  a-secret"], [Self.apiKey: "a-secret"],
                // "anyone:a-secret"
                [.authorization: "Basic YW55b25lOmEtc2VjcmV0"],
                [.authorization: "Bearer a-secret", Self.apiKey: "a-secret"],
            ]
            for headers in accepted {
                #expect(try await api.send(.get, "/v1/working-memory/", headers: headers).status == 200, "\(headers)")
            }
            let refused: [(HTTPFields, String)] = [
                ([:], "Missing authorization header"), ([.authorization: "Bearer"], "Missing authorization header"),
                ([.authorization: "Bearer "], "Missing authorization header"),
                ([.authorization: "a-secret"], "Missing authorization header"),
                ([.authorization: "Digest a-secret"], "Missing authorization header"),
                ([.authorization: "Basic !"], "Missing authorization header"),
                (Self.bearer("other"), "Invalid token"), (Self.bearer("a-secret2"), "Invalid token"),
                ([.authorization: "Bearer a-secret", Self.apiKey: "x"], "Two different tokens are given: send one"),
            ]
            for (headers, detail) in refused {
                let answer = try await api.send(.get, "/v1/working-memory/?token=a-secret", headers: headers)
                #expect(answer.status == 401 && answer.detail == detail, "\(headers)")
                #expect(answer.headers[.wwwAuthenticate]?.hasPrefix("Bearer") == true)
            }
        }
    }

    @Test func `a token that has expired is refused`() async throws {
        let expired = try await token("expired", expires: APIFixture.now)
        let last = try await token("last", expires: Timestamp(microseconds: APIFixture.now.microseconds + 1))
        try await run { api in
            let answer = try await api.send(.get, "/v1/working-memory/", headers: Self.bearer(expired))
            #expect(answer.status == 401 && answer.detail == "Token has expired")
            #expect(try await api.send(.get, "/v1/working-memory/", headers: Self.bearer(last)).status == 200)
        }
    }

    @Test func `rights are checked before the body is read`() async throws {
        let reader = try await token("reader", .read)
        let writer = try await token("writer", .write)
        try await run { api in
            for (method, path) in [
                (HTTPRequest.Method.post, "/v1/long-term-memory/"), (.patch, "/v1/long-term-memory/x"),
                (.put, "/v1/working-memory/s"), (.post, "/v1/working-memory/s/messages"),
            ] {
                #expect(try await api.send(method, path, "{broken", headers: Self.bearer(reader)).status == 403)
                #expect(try await api.send(method, path, "{broken", headers: Self.bearer(writer)).status == 422)
            }
            #expect(try await api.send(.delete, "/v1/working-memory/s", headers: Self.bearer(reader)).status == 403)
            let search = try await api.send(
                .post, "/v1/long-term-memory/search", "{broken", headers: Self.bearer(writer))
            #expect(search.status == 403)
        }
    }

    @Test func `a token reaches its namespaces only`() async throws {
        let team = try await token("team", namespaces: ["team-*"])
        let one = try await token("one", namespaces: ["b"])
        try await run { api in
            func send(_ secret: String, _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil)
                async throws
                -> APIFixture.Answer
            {
                try await api.send(method, path, body, headers: Self.bearer(secret))
            }
            let path = "/v1/long-term-memory/"
            let mine = #"{"memories":[{"id":"1","text":"a","namespace":"team-1"}],"deduplicate":false}"#
            #expect(try await send(team, .post, path, mine).status == 200)
            #expect(try await send(one, .post, path, #"{"memories":[{"id":"2","text":"b"}]}"#).status == 200)
            #expect(try await send(one, .get, path + "2").json["namespace"] == "b")
            #expect(try await send(one, .get, path + "1").status == 404)
            #expect(try await send(one, .patch, path + "1", #"{"text":"x"}"#).status == 404)
            #expect(try await send(one, .post, path, mine).status == 403)
            let taken = #"{"memories":[{"id":"1","text":"a"}],"deduplicate":false}"#
            let conflict = try await send(one, .post, path, taken)
            #expect(conflict.status == 409 && conflict.detail?.contains("team") == false)
            #expect(try await send(team, .post, path, #"{"memories":[{"id":"3","text":"b"}]}"#).status == 403)
            #expect(try await send(team, .patch, path + "1", #"{"namespace":"b"}"#).status == 403)
            #expect(try await send(one, .post, path + "count", "{}").json["count"] == 1)
            #expect(try await send(team, .post, path + "list", "{}").ids == ["1"])
            #expect(try await send(one, .delete, path + "?memory_ids=1").json["status"] == "ok, deleted 0 memories")
            #expect(try await send(team, .put, "/v1/working-memory/s", #"{"namespace":"team-2"}"#).status == 200)
            #expect(try await send(team, .get, "/v1/working-memory/").json["total"] == 1)
            #expect(try await send(one, .get, "/v1/working-memory/").json["total"] == 0)
            #expect(try await send(one, .get, "/v1/working-memory/s").status == 404)
        }
    }

    @Test func `too many requests of one token wait`() async throws {
        let (a, b) = (try await token("a"), try await token("b"))
        try await run(perMinute: 2) { api in
            for _ in 0..<2 {
                #expect(try await api.send(.get, "/v1/working-memory/", headers: Self.bearer(a)).status == 200)
            }
            let answer = try await api.send(.get, "/v1/working-memory/", headers: Self.bearer(a))
            #expect(answer.status == 429 && answer.headers[HTTPField.Name("Retry-After")!] == "30")
            #expect(try await api.send(.get, "/v1/working-memory/", headers: Self.bearer(b)).status == 200)
        }
    }

    @Test func `subjects that differ only in their bytes have a limit each`() {
        let limiter = RateLimiter(perMinute: 1)
        let now = ContinuousClock.now
        #expect(limiter.wait(of: "caf\u{E9}", at: now) == nil)
        #expect(limiter.wait(of: "cafe\u{301}", at: now) == nil)
        #expect(limiter.wait(of: "caf\u{E9}", at: now) == 60)
    }
}
