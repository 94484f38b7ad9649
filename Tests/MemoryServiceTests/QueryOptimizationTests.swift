import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import Prompts
import ReferenceBackend
import Synchronization
import Testing

@Suite struct QueryOptimizationTests {
    /// Gives one answer, and keeps what it was asked.
    private final class Scripted: LanguageModel {
        let model = "scripted"
        private let outcome: Result<LanguageAnswer, MemoryError>
        private let asked = Mutex<[LanguageRequest]>([])

        init(_ text: String, isWhole: Bool = true) {
            outcome = .success(LanguageAnswer(text, isWhole: isWhole, tokens: TokenCount()))
        }

        init(failing code: MemoryError.Code) {
            outcome = .failure(MemoryError(code, "secret of the service"))
        }

        var requests: [LanguageRequest] { asked.withLock(\.self) }

        func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
            asked.withLock { $0.append(request) }
            return try outcome.get()
        }

        func unavailability() async -> String? { nil }
        var usage: [LanguageUsage] { [] }
    }

    private static let now = Timestamp(parsing: "2026-01-01T12:00:00Z") ?? .earliest

    /// A store with `near` at the query "[1]" and `far` at "[0, 1]".
    private func memory(_ model: Scripted?) async throws -> LongTermMemory {
        let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { Self.now })
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: logger),
            optimization: model.map {
                QueryOptimization(
                    by: $0, prompt: (try? PromptTemplate("Rewrite {query}", places: ["query"])) ?? .queryOptimization,
                    logger: logger)
            }, now: { Self.now })
        try await memory.create(
            [
                MemoryRecord(id: "near", text: "[1] first", createdAt: Self.now, lastAccessed: Self.now),
                MemoryRecord(id: "far", text: "[0, 1] second", createdAt: Self.now, lastAccessed: Self.now),
            ], deduplicate: false)
        return memory
    }

    private func search(
        _ ranking: SearchQuery.Ranking = .semantic(distanceThreshold: nil), text: String? = "[1] q",
        filter: MemoryFilter = .everything, explains: Bool = true, optimizes: Bool = true
    ) throws -> MemorySearch {
        var search = try MemorySearch(
            text: text, ranking: ranking, filter: filter, page: PageRequest(), recencyBoost: nil, explains: explains)
        search.optimizesQuery = optimizes
        return search
    }

    @Test func `a rewritten query is searched for`() async throws {
        let model = Scripted("  \"[0, 1] better\"\n")
        let memory = try await memory(model)
        let found = try await memory.search(
            search(filter: MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, none: ["x"])])))
        #expect(found.items.map(\.record.id) == ["far", "near"])
        #expect(found.optimization == .rewritten("[0, 1] better"))
        #expect(model.requests.map(\.prompt) == ["Rewrite [1] q"])
        #expect(model.requests.map(\.quotes) == [["[1] q"]])
        let quiet = try await memory.search(try search(explains: false))
        #expect(quiet.items.first?.record.id == "far" && quiet.optimization == nil)
    }

    @Test func `tokens are counted for the namespace of the filter`() async throws {
        let model = Scripted("[1] x")
        let filter = MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: "n")])
        _ = try await memory(model).search(try search(filter: filter))
        #expect(model.requests.map(\.namespace) == ["n"])
    }

    @Test func `what is not asked for is not rewritten`() async throws {
        let model = Scripted("[0, 1] better")
        let memory = try await memory(model)
        for (search, reason) in [
            (try search(optimizes: false), nil), (try search(text: nil), nil),
            (try search(.keyword(.bm25std)), "only semantic searches are rewritten"),
            (try search(.hybrid(alpha: 0.5, .bm25std)), "only semantic searches are rewritten"),
        ] {
            let found = try await memory.search(search)
            #expect(found.optimization == reason.map { .left($0) })
        }
        #expect(model.requests.isEmpty)
        let none = try await self.memory(nil).search(try self.search())
        #expect(none.optimization == .left("this server has no language model"))
        #expect(none.items.first?.record.id == "near")
    }

    @Test(arguments: [
        ("", true), ("x", true), (" \n ", true), ("[0, 1] cut", false), ("[0, 1] a\nb", true), ("[0, 1] a\u{0}b", true),
        ("[0, 1]" + String(repeating: " word", count: 500), true),
    ])
    func `an answer that is not a query leaves the search as it was`(_ answer: String, _ isWhole: Bool) async throws {
        let found = try await memory(Scripted(answer, isWhole: isWhole)).search(try search())
        #expect(found.items.first?.record.id == "near")
        guard case .left = found.optimization else {
            Issue.record("\(String(describing: found.optimization))")
            return
        }
    }

    @Test(arguments: [
        (MemoryError.Code.timedOut, "the language model did not answer in time"),
        (.languageModelFailed, "the language model failed; the log says why"),
        (.languageModelRefused, "the language model failed; the log says why"),
    ])
    func `a failure leaves the search as it was`(_ code: MemoryError.Code, _ reason: String) async throws {
        let found = try await memory(Scripted(failing: code)).search(try search())
        #expect(found.items.first?.record.id == "near")
        #expect(found.optimization == .left(reason))
    }

    @Test func `behind a threshold the query as it was is tried too`() async throws {
        let memory = try await memory(Scripted("[-1] nothing is near"))
        let found = try await memory.search(try search(.semantic(distanceThreshold: 0.1)))
        #expect(found.items.map(\.record.id) == ["near"])
        #expect(found.optimization == .left("nothing was found for the rewritten query"))
        let without = try await memory.search(try search())
        #expect(without.optimization == .rewritten("[-1] nothing is near"))
    }
}
