import BackendHarnesses
import MemoryConformance
import Testing

/// The oracle itself keeps the contract.
@Suite struct ReferenceConformanceTests {
    typealias Harness = ReferenceHarness

    @Test(arguments: ConformanceCheck.all)
    func check(_ check: ConformanceCheck) async {
        await Tally.run(check, on: Harness(), unmet: [.storeFaults, .wire, .opaqueBytes])
    }

    @Test func `undoing everything in reverse leads back to the beginning`() async throws {
        try await UndoHistory().run(on: ReferenceHarness())
    }

    @Test func `a process that dies while it unites memories loses nothing`() async throws {
        try await MergeSweep().run(on: Harness())
    }

    @Test func `a process that dies while it derives memories and summaries loses nothing`() async throws {
        try await DerivationSweep().run(on: Harness())
    }

    @Test func `of an end and a cancellation of a task one counts`() async throws {
        try await TaskRaces().run(on: Harness())
    }
}
