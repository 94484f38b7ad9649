import AgentMemory
import Logging
import ReferenceBackend
import Synchronization
import TestSupport
import Testing

@testable import MemoryService

@Suite struct UsageLedgerTests {
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    private let documents = ReferenceDocumentStore()

    /// A model that counts what the test says, as one process.
    private final class CountedModel: LanguageModel {
        let model = "counted"
        private let counts = Mutex<[String?: Int]>([:])

        func use(_ namespace: String?) { counts.withLock { $0[namespace, default: 0] += 1 } }

        var usage: [LanguageUsage] {
            counts.withLock(\.self).map { namespace, count in
                LanguageUsage(
                    model: model, task: .extraction, namespace: namespace, calls: count, failures: 0,
                    tokens: TokenCount(input: 10 * count, output: count))
            }
        }

        func answer(_ request: LanguageRequest) async throws -> LanguageAnswer { ScriptedModel.answer("") }
        func unavailability() async -> String? { nil }
    }

    private func ledger(_ model: CountedModel, _ documents: (any DocumentStore)? = nil) -> UsageLedger {
        UsageLedger([model], documents: documents ?? self.documents, logger: logger)
    }

    private func calls(_ ledger: UsageLedger, _ caller: Caller = .unrestricted) async throws -> [String: Int] {
        let usage = try await ledger.usage(for: caller)
        for part in usage { #expect(part.tokens == TokenCount(input: 10 * part.calls, output: part.calls)) }
        return Dictionary(uniqueKeysWithValues: usage.map { ($0.namespace ?? "(none)", $0.calls) })
    }

    @Test func `servers on one store count together, across restarts`() async throws {
        let (first, second) = (CountedModel(), CountedModel())
        let (one, two) = (ledger(first), ledger(second))
        for _ in 0..<3 { first.use("n") }
        second.use("n")
        second.use(nil)
        try await two.add()
        #expect(try await calls(one) == ["n": 4, "(none)": 1])
        #expect(try await calls(two) == ["n": 4, "(none)": 1])
        first.use("m")
        try await one.add()
        // The first server is started again, and counts from 0.
        let third = CountedModel()
        third.use("n")
        #expect(try await calls(ledger(third)) == ["n": 5, "m": 1, "(none)": 1])
        let tenant = Caller(subject: "t", namespaces: ["m"], rights: .all)
        #expect(try await calls(two, tenant) == ["m": 1])
    }

    @Test func `what is new is added once, also by calls at the same time`() async throws {
        let model = CountedModel()
        for _ in 0..<5 { model.use("n") }
        let sessions = ReferenceWorkingMemoryStore(jobs: ReferenceJobQueue())
        let failing = ledger(model, DyingStores(sessions, documents, after: 1))
        #expect(await failureCode { try await failing.add() } == .storeUnavailable)
        let working = ledger(model)
        try await withThrowingTaskGroup { group in
            for _ in 0..<10 { group.addTask { try await working.add() } }
            try await group.waitForAll()
        }
        #expect(try await calls(working) == ["n": 5])
    }

    @Test func `the usage of a namespace is erased with it`() async throws {
        let model = CountedModel()
        for namespace in ["n", "m"] { model.use(namespace) }
        let counting = ledger(model)
        try await counting.add()
        var erased = ErasedDocuments(try ErasureScope(namespace: "n"), in: documents)
        try await AccessScope.everything.limiting { try await erased.erase() }
        #expect(try await calls(counting) == ["m": 1])
    }
}
