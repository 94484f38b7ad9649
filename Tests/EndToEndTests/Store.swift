import Foundation
import Testing

/// A store as a server is told of it.
enum Store: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case redis, pgvector

    var testDescription: String { rawValue }

    /// The name of its service, as `Scripts/stack` knows it.
    var service: String { self == .redis ? "redis" : "postgres" }

    /// Settings for a scope of its own on the server that all tests share.
    func environment() throws -> [String: String] {
        let name = self == .redis ? "TEST_REDIS_URL" : "TEST_DATABASE_URL"
        let url = try #require(ProcessInfo.processInfo.environment[name], "\(name) is not set: run make test")
        return environment(url: url)
    }

    /// Settings for a scope of its own on the server at `url`.
    func environment(url: String) -> [String: String] {
        let scope = "e2e_\(UUID().uuidString.prefix(8).lowercased())"
        return switch self {
        case .redis:
            [
                "MEMORY_VECTOR_DB_FACTORY": "redis", "REDIS_URL": url, "REDISVL_INDEX_NAME": "\(scope)_records",
                "REDISVL_INDEX_PREFIX": "\(scope)_idx",
            ]
        case .pgvector:
            ["MEMORY_VECTOR_DB_FACTORY": "pgvector", "DATABASE_URL": url, "POSTGRES_SCHEMA": scope]
        }
    }
}

struct ScriptError: Error, CustomStringConvertible {
    let description: String
}

/// A Redis or a Postgres that belongs to one test, which may kill it.
struct OwnStore: Sendable {
    let store: Store
    let url: String
    private let folder: URL

    /// Runs `body` beside a store of its own, and stops it whatever happens.
    ///
    /// - Parameter durable: whether it keeps what it has acknowledged over a crash; throw-away stores are faster.
    static func run<Value>(
        _ store: Store, durable: Bool = true, _ body: (OwnStore) async throws -> Value
    ) async throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("e2e-\(UUID().uuidString)")
        let result: Result<Value, any Error>
        do {
            let line = try await stack("start", store, folder, durable ? ["--durable"] : [])
            let url = String(line.drop { $0 != "=" }.dropFirst()).trimmingCharacters(in: .whitespacesAndNewlines)
            result = .success(try await body(OwnStore(store: store, url: url, folder: folder)))
        } catch {
            result = .failure(error)
        }
        _ = try? await stack("stop", store, folder)
        try? FileManager.default.removeItem(at: folder)
        return try result.get()
    }

    /// Ends the store as a crash would.
    func crash() async throws { _ = try await Self.stack("kill", store, folder) }

    /// Starts it again on the same port, with what it had kept.
    func restart() async throws { _ = try await Self.stack("start", store, folder, ["--durable"]) }

    private static func stack(_ command: String, _ store: Store, _ folder: URL, _ options: [String] = []) async throws
        -> String
    {
        let script = try #require(
            ProcessInfo.processInfo.environment["AGENT_MEMORY_STACK"], "AGENT_MEMORY_STACK is not set: run make test")
        // Foundation's `Process` would wait for the store itself, which inherits a socket of it.
        return try await withCheckedThrowingContinuation { continuation in
            Thread {
                let words = ([script, command, store.service, "--dir", folder.path] + options).map { "'\($0)'" }
                guard let pipe = popen(words.joined(separator: " "), "r") else {
                    continuation.resume(throwing: CocoaError(.fileReadUnknown))
                    return
                }
                var printed: [UInt8] = []
                while case let byte = fgetc(pipe), byte != EOF { printed.append(UInt8(truncatingIfNeeded: byte)) }
                let text = String(decoding: printed, as: UTF8.self)
                if pclose(pipe) == 0 {
                    continuation.resume(returning: text)
                } else {
                    continuation.resume(
                        throwing: ScriptError(description: "\(words.joined(separator: " ")) failed: \(text)"))
                }
            }.start()
        }
    }
}
