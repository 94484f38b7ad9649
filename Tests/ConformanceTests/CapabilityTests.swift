import AgentMemory
import MemoryConformance
import ReferenceBackend
import Testing

/// A backend need not have every capability: refusing what it does not have is not a failure.
@Suite struct CapabilityTests {
    /// The reference with less.
    struct LimitedDatabase: MemoryVectorDatabase {
        let whole: CheckedDatabase
        let capabilities: BackendCapabilities

        var name: String { "limited" }
        func prepare() async throws { try await whole.prepare() }
        func run() async throws { try await whole.run() }
        func close() async { await whole.close() }
        func add(_ records: [MemoryRecord]) async throws -> [String] {
            try checkExpiry(isGiven: records.contains { $0.expiresAt != nil })
            return try await whole.add(records)
        }
        func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
            try capabilities.check(query.filter, backend: name)
            return try await whole.list(query)
        }
        func count(_ filter: MemoryFilter) async throws -> Int {
            try capabilities.check(filter, backend: name)
            return try await whole.count(filter)
        }
        func delete(_ ids: [String]) async throws -> Int { try await whole.delete(ids) }
        func update(_ updates: [RecordUpdate]) async throws -> Int {
            try checkExpiry(isGiven: updates.contains { $0.changes.expiresAt != .unchanged })
            return try await whole.update(updates)
        }
        func health() async -> [ComponentHealth] { await whole.health() }

        func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
            try capabilities.check(query.ranking, backend: name)
            try capabilities.check(query.filter, backend: name)
            return try await whole.search(query)
        }

        private func checkExpiry(isGiven: Bool) throws {
            guard isGiven, !capabilities.expiry else { return }
            throw MemoryError(.unsupported, "no expiry", path: [.key("expires_at")])
        }
    }

    struct Harness: ConformanceHarness {
        let capabilities: BackendCapabilities
        var backend: String { "limited" }

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            let whole = CheckedDatabase(ReferenceMemoryDatabase(embedder: embedder))
            return ScopedDatabase(database: LimitedDatabase(whole: whole, capabilities: capabilities), remove: {})
        }
    }

    enum Missing: String, CaseIterable, CustomTestStringConvertible {
        case keywordSearch, hybridSearch, serverSideRecency, distanceThreshold, metadataFilters, expiry, blendedSearch,
            everything

        var testDescription: String { rawValue }

        var capabilities: BackendCapabilities {
            func has(_ other: Missing) -> Bool { self != other && self != .everything }
            return BackendCapabilities(
                keywordSearch: has(.keywordSearch), hybridSearch: has(.hybridSearch),
                serverSideRecency: has(.serverSideRecency), distanceThreshold: has(.distanceThreshold),
                metadataFilters: has(.metadataFilters), expiry: has(.expiry), blendedSearch: has(.blendedSearch))
        }

        /// What checks cannot ask of a backend without it.
        var needs: Set<ConformanceCheck.Need> {
            switch self {
            case .keywordSearch: [.keywordSearch]
            case .hybridSearch: [.hybridSearch]
            case .serverSideRecency: [.serverSideRecency]
            case .distanceThreshold: [.distanceThreshold]
            case .metadataFilters: [.metadataFilters]
            case .expiry: [.expiry]
            case .blendedSearch: [.blendedSearch, .lateInteraction]
            case .everything:
                [
                    .keywordSearch, .hybridSearch, .serverSideRecency, .distanceThreshold, .metadataFilters,
                    .expiry, .blendedSearch, .lateInteraction,
                ]
            }
        }
    }

    @Test(arguments: Missing.allCases) func `a refused request is not a failure`(_ missing: Missing) async {
        // Size and recall take their time.
        let checks = ConformanceCheck.all.filter { !["size", "recall"].contains($0.chapter) }
        let harness = Harness(capabilities: missing.capabilities)
        let unmet = missing.needs.union([
            .secondProcess, .storeFaults, .wire, .oracle, .sessionStore, .jobQueue, .tokenStore, .atomicWrites,
            .opaqueBytes,
        ])
        for check in checks {
            let result = await check.run(on: harness)
            switch result.outcome {
            case .passed: #expect(check.needs.isDisjoint(with: unmet), "\(check.id)")
            case .failed: Issue.record("\(result.evidence)")
            case .notApplicable(let reason): #expect(!check.needs.isDisjoint(with: unmet), "\(check.id): \(reason)")
            }
        }
    }

    @Test func `neither core nor paging needs a kind of search`() {
        for check in ConformanceCheck.all where [.core, .paging].contains(check.level) {
            #expect(
                check.needs.isDisjoint(with: [.keywordSearch, .hybridSearch, .serverSideRecency]), "\(check.id)")
        }
    }

    /// What is declared and refused, or answered and not declared, is a failure. Blended ranking is
    /// left out: no check of its own asks for it, it is compared with the oracle.
    @Test(arguments: Missing.allCases.filter { $0 != .blendedSearch })
    func `capabilities are held against what is declared`(_ missing: Missing)
        async throws
    {
        struct Liar: ConformanceHarness {
            let declared: BackendCapabilities
            let real: BackendCapabilities
            var backend: String { "liar" }

            func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
                let whole = CheckedDatabase(ReferenceMemoryDatabase(embedder: embedder))
                return ScopedDatabase(
                    database: LyingDatabase(
                        limited: LimitedDatabase(whole: whole, capabilities: real), capabilities: declared),
                    remove: {})
            }
        }
        let everything = BackendCapabilities(metadataFilters: true, expiry: true)
        for (declared, real) in [(missing.capabilities, everything), (everything, missing.capabilities)] {
            var failed: [String] = []
            for check in ConformanceCheck.all where check.chapter == "capability" {
                if await check.run(on: Liar(declared: declared, real: real)).failed { failed.append(check.id) }
            }
            #expect(!failed.isEmpty, "declared \(declared), real \(real)")
        }
    }

    /// Declares what it does not have, or has what it does not declare.
    struct LyingDatabase: MemoryVectorDatabase {
        let limited: LimitedDatabase
        let capabilities: BackendCapabilities

        var name: String { "liar" }
        func prepare() async throws {}
        func run() async throws { try await limited.run() }
        func close() async {}
        func add(_ records: [MemoryRecord]) async throws -> [String] { try await limited.add(records) }
        func search(_ query: SearchQuery) async throws -> Page<SearchHit> { try await limited.search(query) }
        func list(_ query: ListQuery) async throws -> Page<MemoryRecord> { try await limited.list(query) }
        func count(_ filter: MemoryFilter) async throws -> Int { try await limited.count(filter) }
        func delete(_ ids: [String]) async throws -> Int { try await limited.delete(ids) }
        func update(_ updates: [RecordUpdate]) async throws -> Int { try await limited.update(updates) }
        func health() async -> [ComponentHealth] { await limited.health() }
    }
}
