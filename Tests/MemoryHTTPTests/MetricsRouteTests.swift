import AgentMemory
import HTTPTypes
import Hummingbird
import Logging
import MemoryService
import Metering
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryHTTP

@Suite struct MetricsRouteTests {
    private static func configuration(
        _ others: [MetricFamily] = [], requests: RequestsInWork? = nil
    ) -> APIRouter.Configuration {
        var configuration = APIRouter.Configuration()
        configuration.requests = requests
        configuration.metrics = { others }
        return configuration
    }

    private static func page(_ api: APIFixture, headers: HTTPFields = [:]) async throws -> MetricPage {
        let answer = try await api.send(.get, "/metrics", headers: headers)
        try #require(answer.status == 200)
        #expect(answer.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
        return try MetricPage(parsing: answer.text)
    }

    @Test func `requests are counted by template, method and status`() async throws {
        let other = MetricFamily(.gauge, "agent_memory_other", "Of another source.", value: 7)
        try await APIFixture.run(configuration: Self.configuration([other])) { api in
            #expect(try await Self.page(api).series("agent_memory_http_requests_total").isEmpty)
            let path = "/v1/long-term-memory/"
            for id in ["distinctive-a", "distinctive-b"] {
                try await api.create(
                    "{\"id\": \"\(id)\", \"text\": \"\(id)\", \"namespace\": \"distinctive-n\", \"user_id\": \"distinctive-u\"}"
                )
                #expect(try await api.send(.get, path + id).status == 200)
            }
            for id in ["distinctive-c", "distinctive-d", "distinctive/e"] {
                #expect(try await api.send(.get, path + id).status == 404)
            }
            #expect(try await api.send(.head, path + "distinctive-a").status == 200)
            #expect(try await api.send(.put, path + "search").status == 405)
            #expect(try await api.send(.post, path + "search", "{distinctive").status == 422)
            for path in ["/distinctive", "/v1/distinctive?namespace=distinctive", "/metrics/distinctive", "/"] {
                #expect(try await api.send(.get, path).status == 404)
            }
            let invented = try #require(HTTPRequest.Method("DISTINCTIVE"))
            #expect(try await api.send(invented, path + "search").status == 404)

            let answer = try await api.send(.get, "/metrics?namespace=distinctive")
            #expect(!answer.text.lowercased().contains("distinctive"))
            let page = try MetricPage(parsing: answer.text)
            let name = "agent_memory_http_requests_total"
            func count(_ route: String, _ method: String, _ code: Int) -> Double? {
                page[name, ["route": route, "method": method, "code": String(code)]]
            }
            #expect(count("/v1/long-term-memory", "POST", 200) == 2)
            #expect(count("/v1/long-term-memory/**", "GET", 200) == 2)
            #expect(count("/v1/long-term-memory/**", "GET", 404) == 3)
            #expect(count("/v1/long-term-memory/**", "HEAD", 200) == 1)
            #expect(count("/v1/long-term-memory/search", "PUT", 405) == 1)
            #expect(count("/v1/long-term-memory/search", "POST", 422) == 1)
            #expect(count("/metrics", "GET", 200) == 1)
            #expect(count("unknown", "OTHER", 404) == 5)
            #expect(page.sum(name) == 16)
            #expect(page.sum("agent_memory_http_request_duration_seconds_count") == 16)
            // This request.
            #expect(page["agent_memory_http_requests_in_work"] == 1)
            #expect(page["agent_memory_other"] == 7)
        }
    }

    @Test func `the page has no limit of requests in work, and counts what has`() async throws {
        var limits = RequestsInWork.Limits()
        limits.count = 0
        let requests = RequestsInWork(limits: limits)
        var configuration = Self.configuration(requests: requests)
        let work = LargeWork()
        configuration.largeWork = work
        try await APIFixture.run(configuration: configuration) { api in
            #expect(try await api.search("{}").status == 503)
            let page = try await Self.page(api)
            #expect(page["agent_memory_http_refused_total", ["limit": "requests"]] == 1)
            #expect(page["agent_memory_http_refused_total", ["limit": "time"]] == 0)
            #expect(page["agent_memory_http_refused_total", ["limit": "large_work"]] == 0)
            #expect(
                page[
                    "agent_memory_http_requests_total",
                    ["route": "/v1/long-term-memory/search", "method": "POST", "code": "503"]] == 1)
        }
        await work.shutdown()
    }

    @Test func `without metrics there is no route`() async throws {
        try await APIFixture.run { api in
            let response = try await api.send(.get, "/metrics")
            #expect(response.status == 404)
        }
    }

    /// Traffic and jobs are those of all tenants.
    @Test func `only callers that reach everything, with a right for it, see metrics`() async throws {
        let store = ReferenceTokenStore()
        func token(_ secret: String, _ rights: Caller.Rights, _ namespaces: String = "*", _ users: String = "*")
            async throws
        {
            try await store.add(
                AccessToken(
                    hash: AccessToken.hash(ofSecret: secret), description: secret, rights: rights,
                    scope: AccessScope(
                        namespaces: try PermittedValues(patterns: [namespaces], field: "namespaces"),
                        users: try PermittedValues(patterns: [users], field: "users")), createdAt: APIFixture.now))
        }
        try await token("scraper", .metrics)
        try await token("admin", .administer)
        try await token("writer", [.read, .write])
        try await token("tenant", [.read, .write, .administer, .metrics], "team-*")
        try await token("user", [.administer, .metrics], "*", "ada")
        var configuration = Self.configuration()
        configuration.access = HTTPAccess(
            mode: "token",
            authenticator: TokenAuthenticator(store: store, logger: Logger(label: "test"), now: { APIFixture.now }))
        try await APIFixture.run(configuration: configuration) { api in
            func bearer(_ secret: String) -> HTTPFields { [.authorization: "Bearer \(secret)"] }
            let anyone = try await api.send(.get, "/metrics")
            #expect(anyone.status == 401 && anyone.headers[.wwwAuthenticate] == "Bearer")
            #expect(try await api.send(.get, "/metrics", headers: bearer("wrong")).status == 401)
            for secret in ["writer", "tenant", "user"] {
                let answer = try await api.send(.get, "/metrics", headers: bearer(secret))
                #expect(answer.status == 403 && !answer.text.contains("agent_memory_"), "\(secret)")
            }
            let page = try await Self.page(api, headers: bearer("scraper"))
            let name = "agent_memory_http_requests_total"
            #expect(page[name, ["route": "/metrics", "method": "GET", "code": "401"]] == 2)
            #expect(page[name, ["route": "/metrics", "method": "GET", "code": "403"]] == 3)
            _ = try await Self.page(api, headers: bearer("admin"))
            // It is for nothing else.
            for (method, path) in [
                (HTTPRequest.Method.get, "/v1/working-memory/"), (.post, "/v1/long-term-memory/search"),
                (.post, "/v1/long-term-memory/"), (.post, "/v1/erase"), (.get, "/v1/usage"),
            ] {
                #expect(try await api.send(method, path, headers: bearer("scraper")).status == 403, "\(path)")
            }
        }
    }
}
