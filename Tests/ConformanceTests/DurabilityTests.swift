import MemoryConformance
import TestServices
import TestSupport
import Testing

/// The chapter of durability, on stores of our own with the settings that the README recommends.
@Suite(.serialized, .tags(.store)) struct DurabilityTests {
    private static let checks = ConformanceCheck.all.filter { $0.chapter == "durability" }

    @Test(arguments: checks) func redis(_ check: ConformanceCheck) async throws {
        try await OwnServer.run(.redis, durable: true) { server in
            await Self.expectPassed(check, on: RedisConformanceTests.Harness(server: server))
        }
    }

    @Test(arguments: checks) func pgvector(_ check: ConformanceCheck) async throws {
        try await OwnServer.run(.postgres, durable: true) { server in
            await Self.expectPassed(check, on: PostgresConformanceTests.Harness(server: server))
        }
    }

    private static func expectPassed(_ check: ConformanceCheck, on harness: some ConformanceHarness) async {
        let result = await check.run(on: harness)
        #expect(result.passed, "\(check.id): \(result.outcome) \(result.evidence)")
    }
}
