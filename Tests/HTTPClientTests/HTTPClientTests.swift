import FakeEmbeddings
import Foundation
import HTTPClient
import TestSupport
import Testing

@Suite("HTTP client", .tags(.alone))
struct HTTPClientTests {
    /// A client for one test, shut down whatever happens.
    private func withClient<Value: Sendable>(
        _ configuration: HTTPClient.Configuration = .init(), _ body: (HTTPClient) async throws -> Value
    ) async throws -> Value {
        let client = HTTPClient(configuration: configuration)
        do {
            let value = try await body(client)
            await client.shutdown()
            return value
        } catch {
            await client.shutdown()
            throw error
        }
    }

    private func failure(
        _ client: HTTPClient, _ request: HTTPClient.Request
    ) async -> HTTPClientError? {
        do {
            _ = try await client.send(request)
            return nil
        } catch {
            return error
        }
    }

    @Test func `posts body and headers`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await withClient { client in
                let response = try await client.send(
                    .init(
                        method: .post, url: "\(server.origin)/echo?a=1%202",
                        headers: ["X-One": "1", "X-Empty": "", "Content-Type": "application/json"],
                        body: Array("{\"ä\":1}".utf8)))
                #expect(response.status == 200)
                let echo = try #require(
                    try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
                #expect(echo["method"] as? String == "POST")
                #expect(echo["query"] as? String == "a=1%202")
                let headers = try #require(echo["headers"] as? [String: String])
                #expect(headers["x-one"] == "1")
                #expect(headers["x-empty"] == "")
                #expect(headers["content-type"] == "application/json")
                #expect(headers["user-agent"] == "agent-memory")
                #expect(headers["expect"] == nil)
                let body = try #require(echo["body"] as? String)
                #expect(body.unicodeScalars.map { UInt8($0.value) } == Array("{\"ä\":1}".utf8))
            }
        }
    }

    @Test func `sends an empty post`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await withClient { client in
                let response = try await client.send(.init(method: .post, url: "\(server.origin)/echo"))
                let echo = try #require(
                    try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
                #expect(echo["method"] as? String == "POST")
                #expect((echo["headers"] as? [String: String])?["content-length"] == "0")
            }
        }
    }

    @Test(arguments: [HTTPClient.Method.put, .patch, .delete])
    func `sends the method with its body`(method: HTTPClient.Method) async throws {
        try await FakeEmbeddingsServer.run { server in
            try await withClient { client in
                // More than once over one connection, between other methods: nothing of a method
                // may stay behind.
                for _ in 0..<2 {
                    let response = try await client.send(
                        .init(method: method, url: "\(server.origin)/echo", body: Array("{\"a\":1}".utf8)))
                    let echo = try #require(
                        try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
                    #expect(echo["method"] as? String == method.rawValue)
                    #expect(echo["body"] as? String == "{\"a\":1}")
                    try await #expect(client.send(.init(url: "\(server.origin)/health")).status == 200)
                }
                let empty = try await client.send(.init(method: method, url: "\(server.origin)/echo?a=b"))
                let echo = try #require(try JSONSerialization.jsonObject(with: Data(empty.body)) as? [String: Any])
                #expect(echo["method"] as? String == method.rawValue)
                #expect(echo["query"] as? String == "a=b")
                #expect(echo["body"] as? String == "")
                let length = (echo["headers"] as? [String: String])?["content-length"]
                #expect(length == (method == .delete ? nil : "0"))
            }
        }
    }

    @Test func `reads headers of the final response`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await withClient { client in
                let response = try await client.send(.init(url: "\(server.origin)/headers"))
                #expect(response.status == 200)
                #expect(response.headers["x-early"] == nil)
                #expect(response.headers["X-MIXED"] == "padded")
                #expect(response.headers["x-blank"] == "")
            }
        }
    }

    @Test func `does not follow redirects`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await withClient { client in
                let response = try await client.send(.init(url: "\(server.origin)/redirect"))
                #expect(response.status == 302)
                #expect(response.headers["Location"] == "/echo")
            }
        }
    }

    @Test(arguments: ["bytes/2000", "chunks/2"]) func `refuses large bodies`(path: String) async throws {
        var configuration = HTTPClient.Configuration()
        configuration.maximumResponseBytes = 1999
        try await FakeEmbeddingsServer.run { server in
            try await withClient(configuration) { client in
                let error = await failure(client, .init(url: "\(server.origin)/\(path)"))
                #expect(error?.code == .tooLarge)
                let small = try await client.send(.init(url: "\(server.origin)/bytes/1999"))
                #expect(small.body.count == 1999)
            }
        }
    }

    @Test func `tells a refused connection`() async throws {
        let port = try await FakeEmbeddingsServer.run { $0.port }
        try await withClient { client in
            let error = await failure(
                client, .init(url: "http://user:pass@127.0.0.1:\(port)/path?secret=1", headers: ["X-Key": "hidden"]))
            #expect(error?.code == .couldNotConnect)
            let text = "\(error!)"
            for secret in ["pass", "user", "secret", "hidden", "path"] { #expect(!text.contains(secret)) }
        }
    }

    @Test func `times out`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await server.control(["mode": "hang"])
            try await withClient { client in
                let error = await failure(client, embeddingRequest(server, timeout: .milliseconds(80)))
                #expect(error?.code == .timedOut)
            }
        }
    }

    @Test func `times out while bytes keep dripping`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await server.control(["mode": "drip", "chunk": 1, "interval_ms": 20])
            try await withClient { client in
                let error = await failure(client, embeddingRequest(server, timeout: .milliseconds(150)))
                #expect(error?.code == .timedOut)
            }
        }
    }

    @Test func `times out in the queue`() async throws {
        var configuration = HTTPClient.Configuration()
        configuration.maximumConcurrentTransfers = 1
        configuration.maximumQueuedRequests = 1
        try await FakeEmbeddingsServer.run { server in
            try await server.control(["mode": "hang"])
            try await withClient(configuration) { client in
                let first = Task { await failure(client, embeddingRequest(server, timeout: .seconds(60))) }
                _ = try await server.stats(once: "requests=1")
                let waiting = await failure(client, embeddingRequest(server, timeout: .milliseconds(50)))
                #expect(waiting?.code == .timedOut)
                #expect(waiting?.message.contains("queue") == true)
                let waiter = Task { await failure(client, embeddingRequest(server, timeout: .seconds(60))) }
                // Whichever of the two comes second finds the one place in the queue taken.
                let other = Task { await failure(client, embeddingRequest(server, timeout: .seconds(1))) }
                let codes = [await other.value?.code]
                waiter.cancel()
                first.cancel()
                let all = codes + [await waiter.value?.code, await first.value?.code]
                #expect(all.contains(.queueFull))
                try await #expect(server.stats().requests == 1)
            }
        }
    }

    @Test func `cancelling ends the transfer`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await server.control(["mode": "hang"])
            try await withClient { client in
                let task = Task { await failure(client, embeddingRequest(server, timeout: .seconds(60))) }
                _ = try await server.stats(once: "requests=1")
                task.cancel()
                #expect(await task.value?.code == .cancelled)
                try await #expect(server.stats(once: "open=0").open == 0)
            }
        }
    }

    @Test func `a cancelled task sends nothing`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await withClient { client in
                let task = Task {
                    while !Task.isCancelled { await Task.yield() }
                    return await failure(client, embeddingRequest(server, timeout: .seconds(60)))
                }
                task.cancel()
                #expect(await task.value?.code == .cancelled)
                try await #expect(server.stats().requests == 0)
            }
        }
    }

    @Test func `shutdown ends transfers and refuses more`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await server.control(["mode": "hang"])
            let client = HTTPClient()
            let tasks = (0..<3).map { _ in
                Task { await failure(client, embeddingRequest(server, timeout: .seconds(60))) }
            }
            _ = try await server.stats(once: "requests=3")
            async let second: Void = client.shutdown()
            await client.shutdown()
            await second
            for task in tasks { #expect(await task.value?.code == .shutDown) }
            #expect(await failure(client, .init(url: "\(server.origin)/health"))?.code == .shutDown)
            try await #expect(server.stats(once: "open=0").open == 0)
        }
    }

    @Test func `shutdown of an unused client returns`() async {
        await HTTPClient().shutdown()
    }

    @Test func `the thread ends when idle and starts again`() async throws {
        var configuration = HTTPClient.Configuration()
        configuration.idleTimeout = .zero
        try await FakeEmbeddingsServer.run { server in
            try await withClient(configuration) { client in
                for _ in 0..<20 {
                    try await #expect(client.send(.init(url: "\(server.origin)/health")).status == 200)
                    try await #expect(server.stats(once: "open=0").open == 0)
                }
            }
        }
    }

    @Test func `reuses connections and leaves none`() async throws {
        var configuration = HTTPClient.Configuration()
        configuration.maximumConcurrentTransfers = 8
        try await FakeEmbeddingsServer.run { server in
            try await withClient(configuration) { client in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for n in 0..<1000 {
                        group.addTask { try await client.send(.init(url: "\(server.origin)/bytes/\(n)")).body.count }
                    }
                    var sizes = Set<Int>()
                    for try await size in group { sizes.insert(size) }
                    #expect(sizes.count == 1000)
                }
                try await #expect(server.stats().connections <= 8 + 1)
            }
            try await #expect(server.stats(once: "open=0").open == 0)
        }
    }

    @Test func `survives a broken connection`() async throws {
        try await FakeEmbeddingsServer.run { server in
            try await server.control(["mode": "truncated_body", "times": 1])
            try await withClient { client in
                #expect(await failure(client, embeddingRequest(server, timeout: .seconds(10)))?.code == .other)
                try await #expect(client.send(embeddingRequest(server, timeout: .seconds(10))).status == 200)
            }
        }
    }

    @Test(arguments: ["ftp://host/x", "file:///etc/passwd", "nonsense", "", "http://", "http://ho st/"])
    func `refuses URLs`(url: String) async throws {
        try await withClient { client in
            #expect(await failure(client, .init(url: url))?.code == .invalidURL)
        }
    }

    @Test func `refuses headers that would split`() async throws {
        try await withClient { client in
            let headers: [HTTPHeaders] = [["X-Key": "a\r\nX-Other: b"], ["X\n": "b"], ["": "b"], ["a b": "c"]]
            for headers in headers {
                let error = await failure(client, .init(url: "http://127.0.0.1:1/", headers: headers))
                #expect(error?.code == .invalidRequest)
                #expect(error?.message.contains("X-Other") == false)
            }
            #expect(
                await failure(client, .init(url: "http://127.0.0.1:1/", timeout: .zero))?.code == .invalidRequest)
        }
    }

    private func embeddingRequest(_ server: FakeEmbeddingsServer, timeout: Duration) -> HTTPClient.Request {
        .init(
            method: .post, url: "\(server.baseURL)/embeddings", headers: ["Content-Type": "application/json"],
            body: Array(#"{"model":"m","input":["a"]}"#.utf8), timeout: timeout)
    }
}
