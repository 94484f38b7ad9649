public import AgentMemory
import BackendProtocol
import Logging
import Synchronization

/// A backend that was loaded at run time, as the rest of the server sees it: every operation is one
/// call across the border.
public final class LoadedBackend: OpaqueBytesDatabase {
    public var name: String { transport.description.name }
    public var capabilities: BackendCapabilities { transport.description.capabilities }
    /// The backend's version, if it has one.
    public var version: String? { transport.description.version }

    public let embedder: any Embedder
    private let transport: any BackendTransport
    private let logger: Logger
    /// Makes the words of texts, for backends that search by words.
    private let analyzer: TextAnalyzer?
    private let preparation = Mutex(Preparation())

    private struct Preparation {
        /// Of the backend that was prepared last.
        var generation: Int?
        var running: Task<Void, any Error>?
    }

    init(_ transport: any BackendTransport, embedder: any Embedder, logger: Logger) {
        self.transport = transport
        self.embedder = embedder
        self.logger = logger
        let capabilities = transport.description.capabilities
        analyzer = capabilities.keywordSearch || capabilities.hybridSearch ? TextAnalyzer() : nil
    }

    // MARK: Life

    public func prepare() async throws {
        let generation = transport.generation
        let task = preparation.withLock { state -> Task<Void, any Error>? in
            if state.generation == generation { return nil }
            if let running = state.running { return running }
            let task = Task { try await self.prepareBackend(generation) }
            state.running = task
            return task
        }
        guard let task else { return }
        // Shared by all waiting callers, so it continues if one of them is cancelled, which must
        // not wait for it either.
        let (ends, end) = AsyncStream<Result<Void, any Error>>.makeStream()
        Task { end.yield(await task.result) }
        for await result in ends { return try result.get() }
        throw CancellationError()
    }

    private func prepareBackend(_ generation: Int) async throws {
        defer { preparation.withLock { $0.running = nil } }
        if transport.has(.prepare) { _ = try await call(.prepare) }
        preparation.withLock { $0.generation = generation }
    }

    private var isPrepared: Bool {
        let generation = transport.generation
        return preparation.withLock { $0.generation == generation }
    }

    public func run() async throws {
        try await withThrowingTaskGroup { group in
            group.addTask { try await self.transport.run() }
            group.addTask { try await self.keepPrepared() }
            try await group.next()
            group.cancelAll()
        }
    }

    /// Prepares the backend until that succeeds, and again whenever it was created again.
    private func keepPrepared() async throws {
        var pause = Duration.milliseconds(200)
        while !Task.isCancelled {
            if isPrepared {
                pause = .milliseconds(200)
            } else {
                do {
                    try await prepare()
                } catch let error as MemoryError where error.code == .misconfigured {
                    throw error
                } catch {
                    logger.warning("the backend is not ready", metadata: ["backend": "\(name)", "error": "\(error)"])
                    pause = min(pause * 2, .seconds(10))
                }
            }
            try await Task.sleep(for: pause)
        }
    }

    public func close() async { await transport.close() }

    /// Removes everything in the backend's scope, if it can; else the records that ``list(_:)``
    /// returns.
    public func drop() async throws {
        if transport.has(.drop) {
            do {
                _ = try await transport.call(.drop, BackendRequest.drop.json(analyzer: nil), texts: [])
                return
            } catch let error as MemoryError where error.code == .unsupported {
                // It turned out not to be available.
            }
        }
        var left = Int.max
        while true {
            let page = try await list(ListQuery(page: PageRequest(limit: 1000)))
            if page.items.isEmpty { return }
            guard page.total < left else {
                throw MemoryError(.internalError, "the backend \(name) still lists deleted records")
            }
            left = page.total
            _ = try await delete(page.items.map(\.id))
        }
    }

    // MARK: Operations

    public func add(_ records: [MemoryRecord], bytes: [[UInt8]?]) async throws -> [String] {
        try await answer(.add(records, bytes: kept(bytes))) { json throws(MemoryError) in
            try BackendAnswer.ids(json, of: records)
        }
    }

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        try await answer(.search(query)) { json throws(MemoryError) in
            try BackendAnswer.hits(json, ranking: query.ranking, on: query.page)
        }
    }

    public func searchWithBytes(_ query: SearchQuery) async throws -> (page: Page<SearchHit>, bytes: [[UInt8]?]) {
        try await answer(.search(query, wantsBytes: capabilities.opaqueBytes)) {
            json throws(MemoryError) -> (Page<SearchHit>, [[UInt8]?]) in
            (
                try BackendAnswer.hits(json, ranking: query.ranking, on: query.page),
                try BackendAnswer.opaqueBytes(ofHits: json)
            )
        }
    }

    /// What is sent of opaque bytes; nothing to a backend that does not keep them.
    private func kept(_ bytes: [[UInt8]?]) -> [[UInt8]?]? { capabilities.opaqueBytes ? bytes : nil }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await answer(.list(query)) { json throws(MemoryError) in try BackendAnswer.records(json, on: query.page) }
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        try await answer(.count(filter)) { json throws(MemoryError) in
            try BackendAnswer.number(json, "count", answering: .count)
        }
    }

    public func delete(_ ids: [String]) async throws -> Int {
        try await answer(.remove(ids)) { json throws(MemoryError) in
            try BackendAnswer.number(json, "deleted", answering: .remove, maximum: ids.count)
        }
    }

    public func update(_ updates: [RecordUpdate], bytes: [[UInt8]?]) async throws -> Int {
        try await answer(.update(updates, bytes: kept(bytes))) { json throws(MemoryError) in
            try BackendAnswer.number(json, "updated", answering: .update, maximum: updates.count)
        }
    }

    public func health() async -> [ComponentHealth] {
        do {
            guard isPrepared else {
                throw MemoryError(.storeUnavailable, "the backend \(name) is not prepared yet")
            }
            guard transport.has(.health) else { return [ComponentHealth("store", version: shownVersion)] }
            return try BackendAnswer.components(try await call(.health))
        } catch {
            let reason = (error as? MemoryError)?.message ?? "the health check was cancelled"
            return [ComponentHealth("store", reason: reason, version: shownVersion)]
        }
    }

    private var shownVersion: String { version.map { "\(name) \($0)" } ?? name }

    // MARK: Calls

    /// The result of one operation, read by `read`. An impossible result is logged with the
    /// backend's name.
    private func answer<Value>(
        _ request: BackendRequest, _ read: (JSONValue) throws(MemoryError) -> Value
    ) async throws -> Value {
        // The maintenance prepares too; a call that comes first does not wait for it.
        if !isPrepared { try await prepare() }
        let json = try await call(request)
        do throws(MemoryError) {
            return try read(json)
        } catch {
            let told = MemoryError(error.code, "the backend \(name) returned a wrong result: \(error.message)")
            log(told, request.operation)
            throw told
        }
    }

    private func call(_ request: BackendRequest) async throws -> JSONValue {
        do {
            return try await transport.call(
                request.operation, request.json(analyzer: analyzer), texts: request.textsToEmbed)
        } catch let error as MemoryError {
            log(error, request.operation)
            throw error
        }
    }

    private func log(_ error: MemoryError, _ operation: BackendOperation) {
        logger.warning(
            "a call of the backend failed",
            metadata: ["backend": "\(name)", "operation": "\(operation.rawValue)", "error": "\(error)"])
    }
}
