public import Foundation

/// Runs `body` with an empty folder, which is removed at the end.
public func withTemporaryFolder<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: (URL) async throws -> sending Value
) async throws -> sending Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-memory-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}
