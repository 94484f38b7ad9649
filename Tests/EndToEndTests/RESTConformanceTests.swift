import AgentMemory
import MemoryConformance
import RESTConformance
import TestSupport
import Testing

/// The server keeps the contract as its clients see it, over every store.
@Suite(.serialized, .servers, .tags(.server)) struct RESTConformanceTests {
    /// What no check can have over REST.
    static let unmetNeeds: Set<ConformanceCheck.Need> = [
        .steeredEmbeddings, .storeFaults, .oracle, .indexOfItsOwn, .sessionStore, .jobQueue, .tokenStore, .wholeCalls,
        .atomicWrites, .opaqueBytes,
    ]
    /// Checks whose own calls REST has no words for.
    static let inexpressible: Set<String> = [
        "record/R1-longest-ids", "record/R5-longest-values", "update/U1-access-interval", "update/U1-clearing",
        "update/U1-unknown-id", "update/C1-every-filter", "filter/F3-in-every-ranking", "filter/F11-follows-updates",
        "capability/S2-distance-threshold", "concurrency/R7-writers", "concurrency/U1-different-fields",
        "size/P4-10000-at-once",
    ]

    /// Every check over one store, and over the others what the wire adds: what a backend answers
    /// is measured on the backend itself, without a server between, by a suite of its own.
    static let asked: [(ServedStore, ConformanceCheck)] = ServedStore.allCases.flatMap { store in
        ConformanceCheck.all.filter { store == .redis || $0.needs.contains(.wire) }.map { (store, $0) }
    }

    @Test(arguments: asked)
    func check(_ store: ServedStore, _ check: ConformanceCheck) async throws {
        let result = await check.run(on: try Servers.harness(store))
        #expect(!result.failed, "\(result.evidence)")
        let isExpectedToApply =
            check.needs.isDisjoint(with: Self.unmetNeeds) && !Self.inexpressible.contains(check.id)
        #expect(result.passed == isExpectedToApply, "\(check.id): \(result.outcome)")
    }
}

/// What a server of ours can store in.
enum ServedStore: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case redis, pgvector, reference

    var testDescription: String { rawValue }

    func environment() throws -> [String: String] {
        switch self {
        case .redis: try Store.redis.environment()
        case .pgvector: try Store.pgvector.environment()
        case .reference: ["MEMORY_VECTOR_DB_FACTORY": "reference"]
        }
    }
}

/// One server over each store, for all tests of a suite.
struct Servers: SuiteTrait, TestScoping {
    @TaskLocal private static var running: [ServedStore: RESTHarness] = [:]

    static func harness(_ store: ServedStore) throws -> RESTHarness {
        try #require(running[store], "the suite runs without its servers")
    }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Self.serve(ServedStore.allCases[...], [:], function)
    }

    private static func serve(
        _ stores: ArraySlice<ServedStore>, _ started: [ServedStore: RESTHarness],
        _ function: @Sendable () async throws -> Void
    ) async throws {
        guard let store = stores.first else { return try await $running.withValue(started, operation: function) }
        try await ServerProcess.run(try store.environment()) { server in
            let client = server.client
            try await client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            var started = started
            started[store] = try RESTHarness(url: server.url)
            try await serve(stores.dropFirst(), started, function)
            // Every check has removed what it added.
            #expect(try await client.count() == 0, "\(store.rawValue)")
        }
    }
}

extension Trait where Self == Servers {
    static var servers: Self { Servers() }
}
