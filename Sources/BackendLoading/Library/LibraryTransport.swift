import AgentMemory
import BackendProtocol
import CMemoryBackend
import Logging
import Synchronization

/// Calls a backend in a shared library that was opened in this process.
final class LibraryTransport: BackendTransport {
    let description: BackendDescription
    let generation = 0

    /// How long `close` of the backend may take before the server ends without it.
    private static let closingLimit: Duration = .seconds(5)

    /// How long running operations may delay `close`.
    private static let leavingLimit: Duration = .seconds(1)

    private struct Gate {
        /// How many threads are in functions of the backend.
        var inside = 0
        var isClosed = false
    }

    private let gate = Mutex(Gate())
    private let backend: BackendTable
    private let host: LibraryHost
    private let threads: BackendThreads

    private init(_ backend: BackendTable, host: LibraryHost, threads: BackendThreads) {
        self.backend = backend
        self.host = host
        self.threads = threads
        description = backend.description
    }

    /// Opens the library and calls its factory.
    ///
    /// - Parameters:
    ///   - path: of the library; the system's loader searches for a name without a slash.
    ///   - setting: the value of the factory setting, for errors.
    /// - Throws: ``BackendFactoryError``: one of the four failures.
    static func make(
        path: String, symbol: String, setting: String, settings: BackendSettings, embedder: any Embedder,
        threads: BackendThreads, logger: Logger
    ) async throws(BackendFactoryError) -> LibraryTransport {
        let host = LibraryHost(
            name: symbol, embedder: embedder, timeout: .milliseconds(settings.timeoutMilliseconds),
            threads: threads, logger: logger)
        // The library's initializers and the factory may block.
        let result = await threads.run { () -> Result<BackendTable, BackendFactoryError> in
            Result { () throws(BackendFactoryError) in
                let factory = try SharedLibrary(path: path, setting: setting).factory(symbol)
                let pointer = factory(host.structure(settings: settings))
                if pointer == nil, let failure = host.reportedFailure {
                    throw BackendFactoryError(
                        .runtimeError, setting: setting, "\(symbol) failed: \(failure)")
                }
                return try BackendTable(pointer, symbol: symbol, setting: setting)
            }
        }
        let backend = try result.get()
        host.name = backend.description.name
        return LibraryTransport(backend, host: host, threads: threads)
    }

    func has(_ operation: BackendOperation) -> Bool { backend.function(operation) != nil }

    func call(_ operation: BackendOperation, _ request: [UInt8], texts: [String]) async throws -> JSONValue {
        let name = description.name
        guard let function = backend.function(operation) else {
            throw MemoryError(.unsupported, "the backend \(name) has no operation \(operation.rawValue)")
        }
        let vectors = try await host.expected.vectors(of: texts, for: operation, by: host.embedder)
        let reply = try await host.calls.perform(operation, backend: name) { number in
            threads.operate {
                self.host.expected.begin(number, operation, texts: texts, vectors: vectors)
                // It may have waited long for a free thread.
                guard let left = self.host.calls.start(number) else { return self.host.expected.end(number) }
                self.entering {
                    (request + [0]).withUnsafeBytes { bytes in
                        function(
                            self.backend.table.`self`, number, UInt32(clamping: left),
                            memory_backend_text(
                                data: bytes.baseAddress?.assumingMemoryBound(to: CChar.self), size: request.count))
                    }
                }
            }
        } giveUp: { number in
            self.host.expected.end(number)
            guard let cancel = self.backend.table.cancel else { return }
            self.threads.deliver { self.entering { cancel(self.backend.table.`self`, number) } }
        }
        return try reply.value(of: operation, backend: name)
    }

    func run() async throws {
        // A library needs no supervision: waits to be cancelled, as a long-running part must.
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        await withTaskCancellationHandler {
            for await _ in stream {}
        } onCancel: {
            continuation.finish()
        }
    }

    /// Calls a function of the backend, unless the backend is closed.
    private func entering(_ body: () -> Void) {
        let isOpen = gate.withLock { gate in
            if !gate.isClosed { gate.inside += 1 }
            return !gate.isClosed
        }
        guard isOpen else { return }
        body()
        gate.withLock { $0.inside -= 1 }
    }

    func close() async {
        let wasClosed = gate.withLock { gate in
            defer { gate.isClosed = true }
            return gate.isClosed
        }
        guard !wasClosed else { return }
        host.calls.failAll(MemoryError(.storeUnavailable, "the server is shutting down"))
        let end = ContinuousClock.now + Self.leavingLimit
        while gate.withLock({ $0.inside > 0 }), .now < end { try? await Task.sleep(for: .milliseconds(2)) }
        await threads.run(within: Self.closingLimit) { self.backend.table.close(self.backend.table.`self`) }
    }
}
