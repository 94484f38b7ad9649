import Foundation
import Testing

/// A Redis or a Postgres that belongs to one test.
public struct OwnServer: Sendable {
    /// As `Scripts/stack` names them.
    public enum Service: String, Sendable {
        case redis, postgres
    }

    public struct ScriptError: Error, CustomStringConvertible {
        public let description: String
    }

    /// Where it listens; the same after every restart.
    public let url: String
    private let service: Service
    private let folder: URL
    private let options: [String]

    /// Runs `body` with a server of its own, and stops that server in every case.
    ///
    /// - Parameters:
    ///   - durable: whether it keeps what it has acknowledged over a crash; throw-away servers are
    ///     faster.
    ///   - json: whether a Redis has the module RedisJSON.
    public static func run<Value>(
        _ service: Service, durable: Bool = false, json: Bool = true, _ body: (OwnServer) async throws -> Value
    ) async throws -> Value {
        try await run(service, durable: durable, json: json, more: [], body)
    }

    private static func run<Value>(
        _ service: Service, durable: Bool, json: Bool = true, more: [String], _ body: (OwnServer) async throws -> Value
    ) async throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("own-\(UUID().uuidString)")
        let options = (durable ? ["--durable"] : []) + (json ? [] : ["--without-json"]) + more
        let result: Result<Value, any Error>
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let printed = try await stack("start", service, folder, options)
            let line = try #require(printed.split(separator: "\n").last { $0.contains("_URL=") })
            let url = String(line.drop { $0 != "=" }.dropFirst())
            result = .success(try await body(OwnServer(url: url, service: service, folder: folder, options: options)))
        } catch {
            result = .failure(error)
        }
        _ = try? await stack("kill", service, folder)
        try? FileManager.default.removeItem(at: folder)
        return try result.get()
    }

    /// Runs `body` with a standby that streams from this Postgres, and stops it in every case.
    public func withStandby<Value>(_ body: (OwnServer) async throws -> Value) async throws -> Value {
        let durable = options.contains("--durable")
        return try await Self.run(.postgres, durable: durable, more: ["--standby-of", url], body)
    }

    /// Ends the server as a crash would.
    public func crash() async throws { _ = try await Self.stack("kill", service, folder) }

    /// Starts it again at the same address, with what it has kept.
    public func restart() async throws { _ = try await Self.stack("start", service, folder, options) }

    /// What it has logged.
    public func log() throws -> String {
        let file = folder.appendingPathComponent(service.rawValue).appendingPathComponent("log")
        return String(decoding: try Data(contentsOf: file), as: UTF8.self)
    }

    /// Throws away what it has kept; only between a crash and a restart.
    public func removeData() throws {
        try FileManager.default.removeItem(at: folder.appendingPathComponent(service.rawValue))
    }

    /// Sends a signal to the server, such as SIGSTOP.
    public func signal(_ number: Int32) throws {
        let file = folder.appendingPathComponent("\(service.rawValue).pid")
        let text = try String(contentsOf: file, encoding: .utf8)
        let identifier = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(kill(identifier, number) == 0)
    }

    /// Runs the script on a thread of its own. By `popen`, because Foundation's `Process` waits for
    /// the end of everything that the script leaves running, which is the server.
    private static func stack(
        _ command: String, _ service: Service, _ folder: URL, _ options: [String] = []
    ) async throws -> String {
        let script = try #require(
            ProcessInfo.processInfo.environment["AGENT_MEMORY_STACK"], "AGENT_MEMORY_STACK is not set: run make test")
        let words = [script, command, service.rawValue, "--dir", folder.path] + options
        let line = words.map { "'\($0)'" }.joined(separator: " ")
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                guard let pipe = popen(line, "r") else {
                    return continuation.resume(throwing: ScriptError(description: "\(line) could not be run"))
                }
                var printed: [UInt8] = []
                while case let byte = fgetc(pipe), byte != EOF { printed.append(UInt8(truncatingIfNeeded: byte)) }
                let text = String(decoding: printed, as: UTF8.self)
                if pclose(pipe) == 0 {
                    continuation.resume(returning: text)
                } else {
                    continuation.resume(throwing: ScriptError(description: "\(line) failed: \(text)"))
                }
            }
        }
    }
}
