import Foundation
import Testing

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

    private func run(_ verb: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: script)
        process.arguments = [verb, "postgres", "--dir", directory]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(verb) failed")
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
