import Foundation
import PostgresDriver
import Testing

/// The server that all tests share.
enum TestServer {
    static func url() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment["TEST_DATABASE_URL"],
            "TEST_DATABASE_URL must name a PostgreSQL with pgvector")
    }

    static func withPool<Value>(
        url: String? = nil, connections: Int = 4, setup: [PostgresStatement] = [], preparedStatements: Int = 256,
        _ body: (PostgresPool) async throws -> sending Value
    ) async throws -> sending Value {
        let connection = PostgresConfiguration(
            connectionString: try url ?? Self.url(), setup: setup, preparedStatementLimit: preparedStatements)
        let pool = try PostgresPool(.init(connection: connection, maximumConnections: connections))
        defer { pool.close() }
        return try await body(pool)
    }
}

extension ContinuousClock.Instant {
    static var soon: ContinuousClock.Instant { .now + .seconds(20) }
}

/// A server of the test's own, which it may kill.
struct ThrowAwayServer {
    let directory: String
    private let script: String

    init() throws {
        script = try #require(
            ProcessInfo.processInfo.environment["AGENT_MEMORY_STACK"], "AGENT_MEMORY_STACK must name Scripts/stack")
        directory = FileManager.default.temporaryDirectory.appending(path: "pg-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    /// - Returns: the server's URL.
    func start() throws -> String {
        let line = try run("start")
        return try #require(line.split(separator: "=", maxSplits: 1).last.map(String.init), "no URL in: \(line)")
    }

    func kill() throws { _ = try run("kill") }

    func remove() {
        _ = try? run("kill")
        try? FileManager.default.removeItem(atPath: directory)
    }

    func removeData() throws {
        try FileManager.default.removeItem(atPath: directory + "/postgres")
    }

    /// Foundation's `Process` would wait for the server itself, which inherits a socket of it.
    private func run(_ verb: String) throws -> String {
        let pipe = try #require(popen("'\(script)' \(verb) postgres --dir '\(directory)'", "r"))
        var data: [UInt8] = []
        while case let byte = fgetc(pipe), byte != EOF { data.append(UInt8(byte)) }
        try #require(pclose(pipe) == 0, "\(verb) failed")
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
