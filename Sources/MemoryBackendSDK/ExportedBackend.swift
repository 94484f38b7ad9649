import AgentMemory
import BackendProtocol
import CMemoryBackend
import Synchronization

/// A Swift database behind the table of functions that the server calls.
///
/// `@unchecked Sendable`: the pointers are written once, before anything else can see them.
final class ExportedBackend: @unchecked Sendable {
    private let database: any MemoryVectorDatabase
    private let host: Host
    private let upkeep = Mutex<Task<Void, Never>?>(nil)
    /// The tasks that process calls, so that they can be cancelled.
    private let tasks = Mutex<[UInt64: Task<Void, Never>]>([:])
    /// JSON for `describe`, valid as long as this object.
    private let text: UnsafeMutableBufferPointer<UInt8>

    private init(_ database: any MemoryVectorDatabase, version: String?, host: Host) {
        self.database = database
        self.host = host
        let description = BackendDescription(
            name: database.name, version: version, capabilities: database.capabilities)
        text = .allocate(capacity: description.json.count)
        _ = text.initialize(from: description.json)
    }

    /// The table of a database. Its memory stays until the process ends, as that of the library
    /// does.
    static func table(
        of database: any MemoryVectorDatabase, version: String?, host: Host
    ) -> UnsafePointer<memory_backend> {
        let backend = ExportedBackend(database, version: version, host: host)
        let table = UnsafeMutablePointer<memory_backend>.allocate(capacity: 1)
        table.initialize(
            to: memory_backend(
                magic: MEMORY_BACKEND_MAGIC, abi_version: MEMORY_BACKEND_ABI_VERSION,
                size: UInt32(MemoryLayout<memory_backend>.size), reserved: 0,
                self: Unmanaged.passRetained(backend).toOpaque(),
                describe: { backend in
                    guard let text = ExportedBackend.at(backend)?.text else { return memory_backend_text() }
                    return memory_backend_text(
                        data: UnsafeRawPointer(text.baseAddress)?.assumingMemoryBound(to: CChar.self), size: text.count)
                },
                prepare: { ExportedBackend.at($0)?.answer(.prepare, $1, $3.bytes) },
                add: { ExportedBackend.at($0)?.answer(.add, $1, $3.bytes) },
                search: { ExportedBackend.at($0)?.answer(.search, $1, $3.bytes) },
                list: { ExportedBackend.at($0)?.answer(.list, $1, $3.bytes) },
                count: { ExportedBackend.at($0)?.answer(.count, $1, $3.bytes) },
                remove: { ExportedBackend.at($0)?.answer(.remove, $1, $3.bytes) },
                update: { ExportedBackend.at($0)?.answer(.update, $1, $3.bytes) },
                health: { ExportedBackend.at($0)?.answer(.health, $1, $3.bytes) },
                drop: database is any ScopedMemoryDatabase
                    ? { ExportedBackend.at($0)?.answer(.drop, $1, $3.bytes) } : nil,
                cancel: { ExportedBackend.at($0)?.cancel($1) }, close: { ExportedBackend.at($0)?.close() }))
        return UnsafePointer(table)
    }

    private static func at(_ backend: UnsafeMutableRawPointer?) -> ExportedBackend? {
        backend.map { Unmanaged<ExportedBackend>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Processes a call in a task of its own, so that the server's thread is free again at once.
    private func answer(_ operation: BackendOperation, _ call: UInt64, _ request: [UInt8]) {
        tasks.withLock { tasks in
            tasks[call] = Task {
                let (status, json) = await HostEmbedder.$call.withValue(call) {
                    await self.outcome(of: operation, request)
                }
                self.host.complete(call, status, json)
                self.tasks.withLock { $0[call] = nil }
            }
        }
    }

    private func outcome(of operation: BackendOperation, _ request: [UInt8]) async -> (BackendStatus, [UInt8]) {
        do {
            let json = try JSONValue(fromBorder: request)
            return (.ok, try await answer(to: try BackendRequest(operation, json: json)))
        } catch {
            return (BackendStatus(error), BackendFailure.json(error))
        }
    }

    private func answer(to request: BackendRequest) async throws -> [UInt8] {
        switch request {
        case .prepare:
            try await database.prepare()
            startUpkeep()
            return BackendAnswer.empty
        case .add(let records, let bytes):
            if let bytes, let keeper {
                return BackendAnswer.added(try await keeper.add(records, bytes: bytes))
            }
            return BackendAnswer.added(try await database.add(records))
        case .search(let query, let wantsBytes):
            if wantsBytes, let keeper {
                let (page, bytes) = try await keeper.searchWithBytes(query)
                return BackendAnswer.found(page, bytes: bytes)
            }
            return BackendAnswer.found(try await database.search(query))
        case .list(let query): return BackendAnswer.listed(try await database.list(query))
        case .count(let filter): return BackendAnswer.number("count", try await database.count(filter))
        case .remove(let ids): return BackendAnswer.number("deleted", try await database.delete(ids))
        case .update(let updates, let bytes):
            let updated =
                if let bytes, let keeper {
                    try await keeper.update(updates, bytes: bytes)
                } else {
                    try await database.update(updates)
                }
            return BackendAnswer.number("updated", updated)
        case .health: return BackendAnswer.health(await database.health())
        case .drop:
            try await (database as? any ScopedMemoryDatabase)?.drop()
            return BackendAnswer.empty
        }
    }

    private var keeper: (any OpaqueBytesDatabase)? { database as? any OpaqueBytesDatabase }

    private func cancel(_ call: UInt64) {
        tasks.withLock { $0[call] }?.cancel()
    }

    /// Runs the database's own maintenance from its first preparation until it is closed.
    private func startUpkeep() {
        upkeep.withLock { task in
            guard task == nil else { return }
            task = Task {
                do {
                    try await self.database.run()
                } catch is CancellationError {
                    // The normal end.
                } catch {
                    self.host.log(
                        BackendContext.LogLevel.error.rawValue,
                        "the maintenance of \(self.database.name) ended: \(error)")
                }
            }
        }
    }

    /// Blocks until the database is closed; the server calls it on a thread that may block.
    private func close() {
        let upkeep = upkeep.withLock(\.self)
        upkeep?.cancel()
        let pending = tasks.withLock { Array($0.values) }
        for task in pending { task.cancel() }
        let closed = Event()
        Task {
            await upkeep?.value
            for task in pending { await task.value }
            await self.database.close()
            closed.set()
        }
        closed.wait()
    }
}
