public import Foundation
import HTTPClient

/// The process of `fake_embeddings.py` for the time of one test.
public final class FakeEmbeddingsServer: Sendable {
    public struct StartError: Error, CustomStringConvertible {
        public let description: String
    }

    public let port: Int
    /// Of the server's process.
    public let processIdentifier: Int32
    private let isTLS: Bool

    /// `http://127.0.0.1:port`, or `https://localhost:port` with TLS.
    public var origin: String { isTLS ? "https://localhost:\(port)" : "http://127.0.0.1:\(port)" }
    /// What a client takes as the service's base URL.
    public var baseURL: String { origin + "/v1" }

    private init(port: Int, processIdentifier: Int32, isTLS: Bool) {
        self.port = port
        self.processIdentifier = processIdentifier
        self.isTLS = isTLS
    }

    /// Runs `body` against a server of its own and ends the server, whatever happens.
    public static func run<Value>(
        _ arguments: [String] = [], _ body: (FakeEmbeddingsServer) async throws -> Value
    ) async throws -> Value {
        let process = Process()
        let output = Pipe()
        // Its other end closes with this process, and the server with it: a test run that crashes
        // leaves nothing.
        let input = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script, "--exit-with-stdin"] + arguments
        process.standardInput = input
        process.standardOutput = output
        let ended = AsyncStream<Void>.makeStream()
        process.terminationHandler = { _ in ended.continuation.finish() }
        try process.run()
        let result: Result<Value, any Error>
        do {
            let port = try await firstPort(of: output.fileHandleForReading)
            let server = FakeEmbeddingsServer(
                port: port, processIdentifier: process.processIdentifier,
                isTLS: arguments.contains("--tls-cert"))
            result = .success(try await body(server))
        } catch {
            result = .failure(error)
        }
        // Not SIGTERM: threads of the cooperative pool block it, and a child inherits their mask.
        kill(process.processIdentifier, SIGKILL)
        for await _ in ended.stream {}
        try? input.fileHandleForWriting.close()
        return try result.get()
    }

    /// Sets the fault of the next requests, as the script describes it.
    public func control(_ command: [String: any Sendable]) async throws {
        let body = try JSONSerialization.data(withJSONObject: command)
        _ = try await fetch(.init(method: .post, url: "\(origin)/control", body: Array(body)))
    }

    /// What the server has counted, once `condition` (such as `requests=3` or `open=0`) holds.
    public func stats(once condition: String = "") async throws -> Stats {
        try Stats(await fetch(.init(url: "\(origin)/stats?\(condition)")))
    }

    public struct Stats: Sendable {
        /// Embedding requests, not those of other paths.
        public let requests: Int
        public let texts: Int
        public let connections: Int
        public let open: Int
        public let mostInFlight: Int
        /// The last embedding request's path and query, headers (names in lower case) and body.
        public let lastTarget: String
        public let lastHeaders: [String: String]
        public let lastBody: Data
        /// Chat requests, and the prompts of the last hundred.
        public let chats: Int
        public let prompts: [String]

        init(_ data: Data) throws {
            let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
            requests = object["requests"] as? Int ?? -1
            texts = object["texts"] as? Int ?? -1
            connections = object["connections"] as? Int ?? -1
            open = object["open"] as? Int ?? -1
            mostInFlight = object["most_in_flight"] as? Int ?? -1
            chats = object["chats"] as? Int ?? -1
            prompts = object["prompts"] as? [String] ?? []
            let last = object["last"] as? [String: Any] ?? [:]
            lastTarget = last["target"] as? String ?? ""
            lastHeaders = last["headers"] as? [String: String] ?? [:]
            lastBody = try JSONSerialization.data(withJSONObject: last["body"] ?? [:])
        }

        /// The last body's member `name`.
        public func lastBody<T>(_ name: String, as type: T.Type = T.self) -> T? {
            let object = try? JSONSerialization.jsonObject(with: lastBody) as? [String: Any]
            return object?[name] as? T
        }
    }

    /// By a client of its own, so that no count of the client under test changes.
    private func fetch(_ request: HTTPClient.Request) async throws -> Data {
        let client = HTTPClient()
        do {
            let response = try await client.send(request)
            await client.shutdown()
            return Data(response.body)
        } catch {
            await client.shutdown()
            throw error
        }
    }

    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("fake_embeddings.py").path

    private static func firstPort(of handle: FileHandle) async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            // A thread of its own: reading blocks.
            Thread.detachNewThread {
                var text = ""
                while !text.contains("\n"), case let data = handle.availableData, !data.isEmpty {
                    text += String(decoding: data, as: UTF8.self)
                }
                if let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines).dropFirst("PORT=".count)) {
                    continuation.resume(returning: port)
                } else {
                    continuation.resume(
                        throwing: StartError(description: "the fake embeddings server ended before it listened"))
                }
            }
        }
    }
}
