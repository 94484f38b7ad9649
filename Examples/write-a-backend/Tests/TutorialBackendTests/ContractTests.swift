import AgentMemory
import Foundation
import MemoryConformance
import ReferenceBackend
import Testing
import TutorialBackend

/// The backend keeps the contract.
@Suite struct ContractTests {
    struct Harness: ConformanceHarness {
        let backend = "tutorial"

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            let database = TutorialMemoryDatabase(embedder: embedder)
            try await database.prepare()
            // As the server runs it: what it does not declare is refused before it is called.
            return ScopedDatabase(database: CheckedDatabase(database), remove: { await database.close() })
        }
    }

    /// What random histories are compared with.
    struct Oracle: ConformanceHarness {
        let backend = "reference"

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            ScopedDatabase(database: ReferenceMemoryDatabase(embedder: embedder), remove: {})
        }
    }

    static let settings = CheckSettings(histories: 50, oracle: Oracle())

    @Test(arguments: try chosenChecks())
    func check(_ check: ConformanceCheck) async throws {
        let result = await check.run(on: Harness(), Self.settings)
        print(result)
        if let complaint = result.complaint(expecting: try Self.expectedFailures()) { Issue.record("\(complaint)") }
    }

    /// Every check, or those whose ids begin as `CHECKS` says; a beginning that no check has is an
    /// error.
    static func chosenChecks() throws -> [ConformanceCheck] {
        let chosen = ProcessInfo.processInfo.environment["CHECKS"]
        return try ConformanceRun.Options(only: chosen.map { [$0] } ?? []).checks()
    }

    /// The file `expected-failures` next to `Package.swift`, if there is one.
    static func expectedFailures() throws -> ExpectedFailures {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../expected-failures")
        guard FileManager.default.fileExists(atPath: file.path) else { return ExpectedFailures() }
        return try ExpectedFailures(parsing: String(contentsOf: file, encoding: .utf8))
    }
}
