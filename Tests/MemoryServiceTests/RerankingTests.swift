import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import Testing

@Suite struct RerankingTests {
    /// Ranks by the number at the end of a text, or fails.
    private struct Numbers: Reranker {
        var model = "numbers"
        var failure: MemoryError.Code?
        var answers: @Sendable ([Double]) -> [Double] = { $0 }

        func scores(of texts: [String], for query: String) async throws -> [Double] {
            if let failure { throw MemoryError(failure, "secret of the service") }
            return answers(texts.map { Double($0.split(separator: " ").last ?? "") ?? 0 })
        }

        func unavailability() async -> String? { failure.map { _ in "it is down" } }
    }

    private static let now = Timestamp(parsing: "2026-01-01T12:00:00Z") ?? .earliest
    private let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { Self.now })

    /// 120 memories, of which `m000` is the nearest, and the last of the first fifty has the
    /// greatest number.
    private func memory(_ reranker: Numbers?) async throws -> LongTermMemory {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: logger),
            reranking: reranker.map { Reranking(by: $0, logger: logger) }, now: { Self.now })
        try await memory.create(
            (0..<120).map { number in
                let name = String(String(1000 + number).dropFirst())
                return try MemoryRecord(
                    id: "m\(name)", text: "[1, \(Double(number) / 100)] memory \(Double(number % 50) / 100)",
                    createdAt: Self.now, lastAccessed: Self.now)
            }, deduplicate: false)
        return memory
    }

    private func search(
        limit: Int = 10, offset: Int = 0, _ ranking: SearchQuery.Ranking = .semantic(distanceThreshold: nil),
        boost: RecencyWeights? = nil, reranks: Bool? = nil, text: String? = "[1] memory", explains: Bool = false
    ) throws -> MemorySearch {
        try MemorySearch(
            text: text, ranking: ranking, filter: .everything, page: PageRequest(limit: limit, offset: offset),
            recencyBoost: boost, explains: explains, reranks: reranks)
    }

    private func ids(_ numbers: some Sequence<Int>) -> [String] {
        numbers.map { "m" + String(String(1000 + $0).dropFirst()) }
    }

    private var whole: [String] { ids(Array((0..<50).reversed()) + Array(50..<120)) }

    @Test(arguments: [1, 7, 10, 50, 60, 120])
    func `the first fifty are reranked and pages fit together`(_ limit: Int) async throws {
        let memory = try await memory(Numbers())
        var found: [String] = []
        var offset: Int? = 0
        while let from = offset {
            let page = try await memory.search(try search(limit: limit, offset: from))
            #expect(page.total == 120)
            if from < Reranking.depth {
                for hit in page.items.prefix(max(0, 50 - from)) {
                    #expect(page.reranking?.score(of: hit) == Double(hit.record.text.split(separator: " ").last ?? ""))
                }
                #expect(page.items.dropFirst(max(0, 50 - from)).allSatisfy { page.reranking?.score(of: $0) == nil })
            } else {
                #expect(page.reranking == .left("only the first 50 hits of a search are reranked"))
            }
            found += page.items.map(\.record.id)
            offset = page.nextOffset
        }
        #expect(found == whole)
    }

    @Test func `scores and distances stay those of the search`() async throws {
        let memory = try await memory(Numbers())
        let plain = try await memory.search(try search(limit: 100, reranks: false)).items
        let reranked = try await memory.search(try search(limit: 100)).items
        let isUnchanged = reranked.allSatisfy { plain.contains($0) }
        #expect(isUnchanged)
        #expect(reranked.count == plain.count && reranked != plain)
    }

    @Test func `explanations stay those of the search`() async throws {
        let memory = try await memory(Numbers())
        let blended = SearchQuery.Ranking.blended(
            try BlendedRanking(.semantic, lateInteraction: 0, contextWeight: 0.4, dateWeight: 0))
        for ranking in [blended, .semantic(distanceThreshold: nil)] {
            let explained = try await memory.search(try search(ranking, explains: true))
            #expect(explained.items.count == 10)
            #expect(explained.items.allSatisfy { $0.explanation != nil })
            #expect(try await memory.search(try search(ranking)).items.allSatisfy { $0.explanation == nil })
        }
    }

    @Test func `equal values keep the order of the search`() async throws {
        let memory = try await memory(Numbers(answers: { $0.map { _ in 0.5 } }))
        #expect(try await memory.search(try search()).items.map(\.record.id) == ids(0..<10))
    }

    @Test func `a model that fails leaves the order and is reported`() async throws {
        for (code, reason) in [
            (MemoryError.Code.timedOut, "the reranking model did not answer in time"),
            (.internalError, "the reranking model failed; the log says why"),
        ] {
            let found = try await memory(Numbers(failure: code)).search(try search())
            #expect(found.items.map(\.record.id) == ids(0..<10))
            #expect(found.reranking == .left(reason))
            #expect(found.nextOffset == 10)
        }
        for wrong in [{ $0.dropLast() }, { $0.map { _ in .nan } }] as [@Sendable ([Double]) -> [Double]] {
            let found = try await memory(Numbers(answers: { Array(wrong($0)) })).search(try search())
            #expect(found.items.map(\.record.id) == ids(0..<10))
            #expect(found.reranking == .left("the reranking model failed; the log says why"))
        }
    }

    @Test func `a request may leave it out or insist on it`() async throws {
        let with = try await memory(Numbers())
        let left = try await with.search(try search(reranks: false))
        #expect(left.reranking == nil)
        #expect(left.items.map(\.record.id) == ids(0..<10))
        let without = try await memory(nil)
        #expect(try await without.search(try search()).reranking == nil)
        let error = await #expect(throws: MemoryError.self) { try await without.search(try search(reranks: true)) }
        #expect(error?.code == .unsupported)
        // A list has no ranking, and with recency in the ranking the order is another.
        #expect(try await with.search(try search(text: nil)).reranking == nil)
        #expect(try await with.search(try search(.semanticWithRecency(.standard))).reranking == nil)
    }

    @Test func `a boost by recency starts from the model's values`() async throws {
        let memory = try await memory(Numbers())
        let found = try await memory.search(try search(boost: .standard))
        #expect(found.items.map(\.record.id) == ids((40..<50).reversed()))
    }

    @Test func `readiness warns of the model and does not fail`() async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let health = await Reranking(by: Numbers(failure: .timedOut), logger: logger).health()
        #expect(health.isOK)
        #expect(health.warning == "it is down")
        #expect(await Reranking(by: Numbers(), logger: logger).health().warning == nil)
    }
}
