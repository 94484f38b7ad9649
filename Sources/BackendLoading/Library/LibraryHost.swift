import AgentMemory
import BackendProtocol
import CMemoryBackend
import Logging
import Synchronization

/// The server's half of `memory_backend.h`: the functions of the host structure.
///
/// There is one for every backend, until the process ends: a library may call it at any time, so
/// the end of its use is never known.
final class LibraryHost: Sendable {
    let calls: PendingCalls
    let expected = ExpectedEmbeddings()
    let embedder: any Embedder
    private let logger: Logger
    /// Embeddings are delivered on other threads than those on which operations may wait for them.
    private let threads: BackendThreads
    private let backendName: Mutex<String>
    private let failure = Mutex<String?>(nil)

    /// - Parameters:
    ///   - name: the backend's name in logs until it has reported its own.
    ///   - timeout: of each call, without its embeddings.
    init(name: String, embedder: any Embedder, timeout: Duration, threads: BackendThreads, logger: Logger) {
        calls = PendingCalls(timeout: timeout)
        backendName = Mutex(name)
        self.embedder = embedder
        self.threads = threads
        self.logger = logger
    }

    var name: String {
        get { backendName.withLock(\.self) }
        set { backendName.withLock { $0 = newValue } }
    }

    /// The factory's message before it returned NULL.
    var reportedFailure: String? { failure.withLock(\.self) }

    /// The structure that the factory gets. Never freed, like this object.
    func structure(settings: BackendSettings) -> UnsafePointer<memory_backend_host> {
        var writer = JSONWriter(capacity: 256)
        settings.write(to: &writer)
        let text = UnsafeMutableBufferPointer<CChar>.allocate(capacity: writer.bytes.count + 1)
        for (index, byte) in (writer.bytes + [0]).enumerated() { text[index] = CChar(bitPattern: byte) }
        let structure = UnsafeMutablePointer<memory_backend_host>.allocate(capacity: 1)
        structure.initialize(
            to: memory_backend_host(
                magic: MEMORY_BACKEND_MAGIC, abi_version: MEMORY_BACKEND_ABI_VERSION,
                size: UInt32(MemoryLayout<memory_backend_host>.size), reserved: 0,
                context: Unmanaged.passRetained(self).toOpaque(),
                settings: memory_backend_text(data: text.baseAddress, size: writer.bytes.count),
                complete: { context, call, status, json in
                    LibraryHost.at(context)?.complete(call, status, json.bytes)
                },
                embed: { context, call, texts, count, embedded, receiver in
                    LibraryHost.at(context)?.embed(
                        call, texts, count, Receiver(function: embedded, context: receiver))
                },
                log: { context, level, message in LibraryHost.at(context)?.log(level, message.bytes) },
                fail: { context, message in LibraryHost.at(context)?.fail(message.bytes) },
                memory_hash: { _, record, hash in LibraryHost.writeHash(of: record.bytes, to: hash) }))
        return UnsafePointer(structure)
    }

    private static func at(_ context: UnsafeMutableRawPointer?) -> LibraryHost? {
        context.map { Unmanaged<LibraryHost>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: Answers

    private func complete(_ call: UInt64, _ status: Int32, _ json: [UInt8]?) {
        expected.end(call)
        switch calls.answer(call, PendingCalls.Reply(status: status, content: .text(json ?? []))) {
        case .taken: break
        case .late:
            warn("the backend responded to a call that has ended already: twice, or too late", ["call": "\(call)"])
        case .neverMade: warn("the backend responded to a call that was never made", ["call": "\(call)"])
        }
    }

    // MARK: Embeddings

    /// The receiver of embeddings.
    ///
    /// `@unchecked Sendable`: `memory_backend.h` says that the function is called from any thread,
    /// once.
    private struct Receiver: @unchecked Sendable {
        let function: memory_backend_embedded?
        let context: UnsafeMutableRawPointer?

        func receive(_ vectors: [[Float]]) {
            let columns = vectors.first?.count ?? 0
            var matrix: [Float] = []
            matrix.reserveCapacity(vectors.count * columns)
            for vector in vectors { matrix += vector }
            matrix.withUnsafeBufferPointer { matrix in
                "".withCString { empty in
                    function?(
                        context, BackendStatus.ok.rawValue, matrix.baseAddress, vectors.count, columns,
                        memory_backend_text(data: empty, size: 0))
                }
            }
        }

        func refuse(_ status: BackendStatus, _ message: String) {
            let size = message.utf8.count
            message.withCString { text in
                function?(context, status.rawValue, nil, 0, 0, memory_backend_text(data: text, size: size))
            }
        }
    }

    private func embed(
        _ call: UInt64, _ texts: UnsafePointer<memory_backend_text>?, _ count: Int, _ receiver: Receiver
    ) {
        guard receiver.function != nil else {
            return warn("the backend asked for embeddings without a function to receive them", [:])
        }
        let readable = (0...1_000_000).contains(count) && (texts != nil || count == 0)
        let valid = UnsafeBufferPointer(start: texts, count: readable && texts != nil ? count : 0).compactMap { text in
            text.bytes.flatMap { String(validating: $0, as: UTF8.self) }
        }
        guard readable, valid.count == count else {
            return threads.deliver { receiver.refuse(.invalidInput, "a text to embed is missing or is not UTF-8") }
        }
        if let vectors = expected.take(call, texts: valid) { return receiver.receive(vectors) }
        calls.beginEmbedding(call)
        let work = Task { [embedder, calls, threads] in
            let outcome: Result<[[Float]], any Error>
            do {
                outcome = .success(try await embedder.checkedEmbeddings(of: valid))
            } catch {
                calls.embeddingFailed(call, error)
                outcome = .failure(error)
            }
            calls.endEmbedding(call)
            threads.deliver {
                switch outcome {
                case .success(let vectors): receiver.receive(vectors)
                case .failure(let error as MemoryError): receiver.refuse(BackendStatus(error), error.message)
                case .failure(is CancellationError): receiver.refuse(.cancelled, "the call has ended")
                case .failure: receiver.refuse(.embeddingFailed, "the embeddings could not be made")
                }
            }
        }
        calls.end(work, with: call)
    }

    // MARK: The rest

    private func log(_ level: Int32, _ message: [UInt8]?) {
        let level: Logger.Level =
            switch Int(level) {
            case MEMORY_BACKEND_DEBUG: .debug
            case MEMORY_BACKEND_INFO: .info
            case MEMORY_BACKEND_WARNING: .warning
            default: .error
            }
        logger.log(
            level: level, "\(String(decoding: message ?? [], as: UTF8.self))", metadata: ["backend": "\(name)"])
    }

    private func fail(_ message: [UInt8]?) {
        failure.withLock { $0 = String(decoding: message ?? [], as: UTF8.self) }
    }

    /// - Returns: 0, or -1 if `json` is not a record or there is no room for the result.
    private static func writeHash(of json: [UInt8]?, to hash: UnsafeMutablePointer<CChar>?) -> Int32 {
        guard let json, let hash, let record = try? JSONValue(fromBorder: json),
            let text = record["text"]?.stringValue,
            let type = record["memory_type"]?.stringValue.flatMap(MemoryType.init)
        else { return -1 }
        let digits = MemoryHash.compute(
            text: text, userID: record["user_id"]?.stringValue, sessionID: record["session_id"]?.stringValue,
            namespace: record["namespace"]?.stringValue, memoryType: type)
        for (index, byte) in (Array(digits.utf8) + [0]).enumerated() { hash[index] = CChar(bitPattern: byte) }
        return 0
    }

    private func warn(_ message: Logger.Message, _ metadata: Logger.Metadata) {
        logger.warning(message, metadata: metadata.merging(["backend": "\(name)"]) { $1 })
    }
}
