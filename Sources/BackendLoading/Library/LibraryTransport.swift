import AgentMemory
import BackendProtocol
import CMemoryBackend
import Logging

/// Calls a backend in a shared library that was opened in this process.
final class LibraryTransport: BackendTransport {
    let description: BackendDescription
    let generation = 0

    /// How long `close` of the backend may take before the server ends without it.
    private static let closingLimit: Duration = .seconds(5)

    private let backend: BackendTable
    private let host: LibraryHost
    private let threads: BackendThreads

    private init(_ backend: BackendTable, host: LibraryHost, threads: BackendThreads) {
        self.backend = backend
        self.host = host
        self.threads = threads
        description = backend.description
    }

    /// Opens the library and has its factory make a backend.
    ///
    /// - Parameters:
    ///   - path: of the library; a name without a slash is left to the system's loader.
    ///   - setting: the value of MEMORY_VECTOR_DB_FACTORY, for errors.
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
        let timeout = UInt32(clamping: host.calls.timeoutMilliseconds)
        let vectors = try await host.expected.vectors(of: texts, for: operation, by: host.embedder)
        let reply = try await host.calls.perform(operation, backend: name) { number in
            threads.operate {
                // It may have waited long for a free thread.
                guard self.host.calls.isPending(number) else { return }
                self.host.expected.begin(number, operation, texts: texts, vectors: vectors)
                (request + [0]).withUnsafeBytes { bytes in
                    function(
                        self.backend.table.`self`, number, timeout,
                        memory_backend_text(
                            data: bytes.baseAddress?.assumingMemoryBound(to: CChar.self), size: request.count))
                }
            }
        } giveUp: { number in
            self.host.expected.end(number)
            guard let cancel = self.backend.table.cancel else { return }
            self.threads.deliver { cancel(self.backend.table.`self`, number) }
        }
        return try reply.value(of: operation, backend: name)
    }

    func run() async throws {
        // A library needs no keeping alive: wait to be cancelled, as a long-running part should.
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        await withTaskCancellationHandler {
            for await _ in stream {}
        } onCancel: {
            continuation.finish()
        }
    }

    func close() async {
        host.calls.failAll(MemoryError(.storeUnavailable, "the server is shutting down"))
        await threads.run(within: Self.closingLimit) { self.backend.table.close(self.backend.table.`self`) }
    }
}
