import AgentMemory
import BackendFixtures
import Foundation
import TestServices
import TestSupport
import Testing

/// Whether searches find the evidence of questions about conversations, by the benchmark's own
/// program and its small set.
@Suite(.tags(.server)) struct RetrievalTests {
    /// Recall among the first ten that the default ranking must reach; the benchmark's README.md
    /// has the figure that was measured.
    private static let floor = 0.93

    @Test(arguments: Store.allCases)
    func `the evidence of questions about conversations is found`(_ store: Store) async throws {
        let model = try #require(
            ProcessInfo.processInfo.environment["TEST_SENTENCE_MODEL"], "TEST_SENTENCE_MODEL is not set: run make test")
        let python = try #require(
            ProcessInfo.processInfo.environment["TEST_PYTHON"], "TEST_PYTHON is not set: run make test")
        let program = FixtureLibrary.project.appendingPathComponent("Benchmarks/retrieval/measure").path
        let environment = try store.environment().merging(["EMBEDDING_MODEL": "", "LOCAL_MODEL_PATH": model]) { $1 }
        try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            let process = try await RunningProcess.start(
                URL(fileURLWithPath: python), [program, server.url, "--steps", "default", "--json"])
            let status = await process.exitStatus()
            try #require(status == 0, "\(process.output)")
            let figures = try JSONValue(parsing: process.output)
            let recall = try #require(figures["default"]?["all"]?["10"]?.doubleValue, "\(process.output)")
            #expect(recall >= Self.floor, "\(process.output)")
            #expect(try await server.client.count() == 0)
        }
    }
}
