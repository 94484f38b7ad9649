import AgentMemory
import BackendHarnesses
import Foundation
import MemoryConformance
import PostgresBackend
import PostgresDriver
import TestServices
import TestSupport
import Testing

/// The statements for a Citus cluster, on a plain server with ``CitusStandIn``: the answers are
/// those of the contract, and no statement has a form that a cluster refuses.
@Suite(.serialized, .tags(.store)) struct ClusterConformanceTests {
    private struct Harness: ConformanceHarness {
        let backend = "pgvector"
        let configuration: PostgresMemoryDatabase.Configuration

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            try await PostgresHarness(configuration).makeDatabase(embedder: embedder)
        }
    }

    /// A few of each kind of statement; all with CLUSTER_CHECKS=all.
    private static let checks: [ConformanceCheck] = {
        let possible = ConformanceCheck.all.filter { check in
            check.needs.isDisjoint(with: [.history, .storeFaults, .wire, .opaqueBytes]) && check.chapter != "history"
        }
        if ProcessInfo.processInfo.environment["CLUSTER_CHECKS"] == "all" { return possible }
        let chosen = [
            "record", "update", "search", "hybrid", "keyword", "page", "scope", "expiry",
        ]
        return chosen.flatMap { chapter in possible.filter { $0.chapter == chapter }.prefix(3) }
    }()

    static func configuration(_ url: String, _ layout: ClusterLayout) -> PostgresMemoryDatabase.Configuration {
        var configuration = PostgresMemoryDatabase.Configuration(databaseURL: url, poolSize: 8, timeout: .seconds(30))
        configuration.history = .off
        configuration.database.layout = layout
        return configuration
    }

    @Test(arguments: ClusterLayout.allCases)
    func `the contract holds, in permitted forms`(_ layout: ClusterLayout) async throws {
        try await OwnServer.run(.postgres) { server in
            try await CitusStandIn.install(on: server)
            let harness = Harness(configuration: Self.configuration(server.url, layout))
            for check in Self.checks {
                let result = await check.run(
                    on: harness, CheckSettings(seed: 2026, histories: 20, oracle: ReferenceConformanceTests.Harness()))
                if case .notApplicable = result.outcome { continue }
                #expect(result.passed, "\(check.id): \(result.evidence)")
            }
            let statements = LoggedStatement.all(in: try server.log())
            #expect(statements.count > 1000)
            let problems = RefusedForms(layout: layout).problems(in: statements)
            #expect(problems.isEmpty, "\(problems.prefix(20).joined(separator: "\n"))")
        }
    }
}
