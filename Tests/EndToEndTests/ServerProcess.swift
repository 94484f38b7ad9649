import Foundation
import TestSupport

/// The agent-memory binary, running.
final class ServerProcess: Sendable {
    struct StartError: Error, CustomStringConvertible {
        let description: String
    }

    let port: Int
    private let process: RunningProcess

    var url: String { "http://127.0.0.1:\(port)" }
    var client: RESTClient { RESTClient(url) }

    private init(port: Int, process: RunningProcess) {
        self.port = port
        self.process = process
    }

    /// The settings that every test server has; a test's own come on top.
    static let defaults = [
        "PORT": "0", "HOST": "127.0.0.1", "EMBEDDING_MODEL": "local/hashing-64", "STORE_TIMEOUT_SECONDS": "15",
        "LOG_LEVEL": "INFO",
    ]

    static let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("agent-memory")

    /// Runs `body` with a server and ends the server in every case.
    static func run<Value>(
        _ environment: [String: String], _ body: (ServerProcess) async throws -> Value
    ) async throws -> Value {
        let process = try await RunningProcess.start(
            binary, ["api"], environment: defaults.merging(environment) { $1 })
        do {
            let server = ServerProcess(port: try await Self.port(of: process), process: process)
            let value = try await body(server)
            process.signal(SIGTERM)
            let status = await process.exitStatus()
            guard status == 0 else {
                throw StartError(description: "the server ended with \(status): \(process.output)")
            }
            return value
        } catch {
            process.signal(SIGKILL)
            _ = await process.exitStatus()
            throw error
        }
    }

    /// Runs `body` with a server, and kills the server (SIGKILL) the moment `body` returns.
    static func runAndKill(_ environment: [String: String], _ body: (ServerProcess) async throws -> Void) async throws {
        let process = try await RunningProcess.start(
            binary, ["api"], environment: defaults.merging(environment) { $1 })
        try await withClosing {
            try await body(ServerProcess(port: try await port(of: process), process: process))
        } close: {
            process.signal(SIGKILL)
            _ = await process.exitStatus()
        }
    }

    /// Runs a command of the binary that ends by itself.
    static func command(
        _ arguments: [String], _ environment: [String: String] = [:],
        in folder: URL = FileManager.default.temporaryDirectory
    ) async throws -> (status: Int32, output: String) {
        let process = try await RunningProcess.start(binary, arguments, environment: environment, in: folder)
        let status = await process.exitStatus()
        return (status, process.output)
    }

    /// Waits until a server that was told to end has ended.
    func end() async { await process.end() }

    /// Of the process.
    var identifier: Int32 { process.processIdentifier }

    /// What the server has logged so far.
    var log: String { process.output }

    /// The port that the server says it listens on.
    static func port(of process: RunningProcess) async throws -> Int {
        for await _ in process.outputChanges {
            if let match = process.output.firstMatch(of: #/address=\[IPv4\][^ ]*:(\d+) /#), let port = Int(match.1) {
                return port
            }
        }
        throw StartError(description: "the server ended before it listened: \(process.output)")
    }
}
