import AgentMemory
import BackendFixtures
import BackendLoading
import TestSupport
import Testing

/// Backends that do what they must not: the call ends with a typed error, the log names the
/// backend, and the next call is answered.
@Suite(.tags(.alone)) struct MisbehavingBackendTests {
    private let query: SearchQuery
    private let record: MemoryRecord
    private let list: ListQuery

    init() throws {
        list = ListQuery(page: try PageRequest())
        query = try SearchQuery(text: "tea", ranking: .semantic(distanceThreshold: nil), page: PageRequest())
        record = try MemoryRecord(id: "a", text: "tea")
    }

    private func with(
        _ symbol: String, timeout: Duration = .seconds(20), threads: Int = 4,
        _ body: (LoadedBackend, LoaderFixture) async throws -> Void
    ) async throws {
        let fixture = LoaderFixture(timeout: timeout, threads: threads)
        try await fixture.with("\(try await FixtureLibrary.misbehaving()):\(symbol)") { try await body($0, fixture) }
    }

    @Test func `one that does nothing wrong`() async throws {
        try await with("create_good") { (backend, _) async throws in
            #expect(backend.name == "fixture")
            #expect(try await backend.add([record]) == ["a"])
            #expect(try await backend.search(query).total == 0)
            #expect(await backend.health().allSatisfy(\.isOK))
            let keyword = try SearchQuery(text: "tea", ranking: .keyword(.bm25std), page: PageRequest())
            #expect(await failureCode { _ = try await CheckedDatabase(backend).search(keyword) } == .unsupported)
        }
    }

    @Test func `no answer`() async throws {
        try await with("create_silent", timeout: .milliseconds(300)) { (backend, fixture) async throws in
            #expect(await failureCode { _ = try await backend.search(query) } == .timedOut)
            #expect(try await fixture.log.has("backend=fixture", "did not respond to search within 0.3 seconds"))
            // Answered after its time, because it was cancelled: too late for the call, and no
            // harm.
            #expect(await failureCode { _ = try await backend.list(list) } == .timedOut)
            #expect(try await fixture.log.has("has ended already", "backend=fixture"))
            #expect(try await backend.count(.everything) == 0)
        }
    }

    @Test func `a call that its task gives up`() async throws {
        try await with("create_silent") { (backend, _) async throws in
            let call = Task { try await backend.search(query) }
            // Cancelled before or while the backend has it: both must end it.
            call.cancel()
            let result = await call.result
            #expect(throws: CancellationError.self) { try result.get() }
            #expect(try await backend.count(.everything) == 0)
        }
    }

    @Test func `a thread that never comes back`() async throws {
        try await with("create_blocking", timeout: .milliseconds(300), threads: 2) { (backend, _) async throws in
            #expect(await failureCode { _ = try await backend.search(query) } == .timedOut)
            #expect(try await backend.count(.everything) == 0)
            // No thread is left for this one; its time passes all the same.
            #expect(await failureCode { _ = try await backend.search(query) } == .timedOut)
            #expect(await failureCode { _ = try await backend.count(.everything) } == .timedOut)
        }
    }

    @Test(arguments: ["create_other_thread", "create_slow"])
    func `answers from a thread of its own`(_ symbol: String) async throws {
        try await with(symbol) { (backend, _) async throws in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 { group.addTask { try await backend.search(query).total } }
                while let total = try await group.next() { #expect(total == 0) }
            }
        }
    }

    @Test func `answers twice`() async throws {
        try await with("create_twice") { (backend, fixture) async throws in
            for _ in 0..<20 {
                // From two threads at once: either may be first.
                #expect(try await backend.list(list).items.isEmpty)
                #expect(try await backend.search(query).total == 0)
            }
            #expect(try await backend.count(.everything) == 0)
            #expect(try await fixture.log.has("has ended already", "twice", "backend=fixture"))
        }
    }

    @Test func `answers calls that were never made`() async throws {
        try await with("create_unknown_call") { (backend, fixture) async throws in
            #expect(try await backend.search(query).total == 0)
            #expect(try await fixture.log.has("never made", "backend=fixture"))
        }
    }

    @Test func `malformed answers`() async throws {
        try await with("create_bad_json") { (backend, fixture) async throws in
            #expect(await failureCode { _ = try await backend.search(query) } == .internalError)
            #expect(await failureCode { _ = try await backend.list(list) } == .internalError)
            #expect(await failureCode { _ = try await backend.count(.everything) } == .internalError)
            #expect(await failureCode { _ = try await backend.delete(["a"]) } == .internalError)
            #expect(await failureCode { _ = try await backend.add([record]) } == .internalError)
            #expect(
                await failureCode {
                    _ = try await backend.update([RecordUpdate(id: "a", changes: RecordChanges(pinned: true))])
                } == .internalError)
            #expect(try await fixture.log.has("backend=fixture", "operation=search", "not JSON"))
        }
    }

    @Test func `answers of the wrong size`() async throws {
        try await with("create_wrong_count") { (backend, fixture) async throws in
            #expect(await failureCode { _ = try await backend.add([record]) } == .internalError)
            #expect(await failureCode { _ = try await backend.search(query) } == .internalError)
            #expect(await failureCode { _ = try await backend.list(list) } == .internalError)
            #expect(await failureCode { _ = try await backend.count(.everything) } == .internalError)
            #expect(await failureCode { _ = try await backend.delete(["a"]) } == .internalError)
            #expect(
                await failureCode {
                    _ = try await backend.update([RecordUpdate(id: "a", changes: RecordChanges(pinned: true))])
                } == .internalError)
            #expect(try await fixture.log.has("backend=fixture", "0 ids for 1 records"))
        }
    }

    @Test func `statuses that do not fit`() async throws {
        try await with("create_bad_status") { (backend, _) async throws in
            #expect(await failureCode { _ = try await backend.search(query) } == .internalError)
            #expect(await failureCode { _ = try await backend.list(list) } == .internalError)
            // Allowed in prepare alone.
            #expect(await failureCode { _ = try await backend.count(.everything) } == .internalError)
            #expect(await failureCode { _ = try await backend.add([record]) } == .storeUnavailable)
            #expect(await failureCode { _ = try await backend.delete(["a"]) } == .storeUnavailable)
            // This call was not cancelled.
            #expect(
                await failureCode {
                    _ = try await backend.update([RecordUpdate(id: "a", changes: RecordChanges(pinned: true))])
                } == .internalError)
        }
    }

    @Test func `questions for embeddings that make no sense`() async throws {
        try await with("create_bad_embedding") { (backend, fixture) async throws in
            #expect(try await backend.search(query).total == 0)
            #expect(try await fixture.log.has("without a function to receive them", "backend=fixture"))
            #expect(try await backend.list(list).total == 0)
            // Every question with a function is answered, those for calls that are over too.
            try await eventually { try await backend.count(.everything) >= 7 }
            #expect(try await backend.count(.everything) == 7)
        }
    }

    @Test func `not ready at first`() async throws {
        try await with("create_unready") { (backend, _) async throws in
            #expect(await failureCode { _ = try await backend.count(.everything) } == .storeUnavailable)
            #expect(await backend.health().contains { !$0.isOK })
            #expect(await failureCode { try await backend.prepare() } == .storeUnavailable)
            try await backend.prepare()
            #expect(try await backend.count(.everything) == 0)
        }
        try await with("create_misconfigured") { (backend, _) async throws in
            #expect(await failureCode { try await backend.prepare() } == .misconfigured)
        }
    }

    // MARK: The end

    @Test func `closing that never ends`() async throws {
        try await LoaderFixture().with("\(try await FixtureLibrary.lifetimes()):create_unclosable") {
            (backend) async throws in
            #expect(try await backend.count(.everything) == 0)
        }
    }

    @Test func `calls after the end`() async throws {
        let fixture = LoaderFixture()
        let setting = "\(try await FixtureLibrary.lifetimes()):create_after_close"
        for _ in 0..<3 {
            try await fixture.with(setting) { backend async throws in #expect(try await backend.count(.everything) == 0)
            }
        }
        #expect(try await fixture.log.has("has ended already", "backend=fixture"))
    }

    // MARK: Embeddings

    @Test func `embeddings that fail`() async throws {
        let fixture = LoaderFixture()
        try await fixture.with("\(try await FixtureLibrary.example()):create_hello_backend") { (backend) async throws in
            fixture.embedder.fail(.down)
            #expect(await failureCode { _ = try await backend.add([record]) } == .embeddingFailed)
            #expect(try await backend.count(.everything) == 0)
            fixture.embedder.fail(nil)
            #expect(try await backend.add([record]) == ["a"])
            #expect(try await backend.search(query).items.map(\.record.id) == ["a"])
        }
    }
}
