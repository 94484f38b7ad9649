import AgentMemory
import BackendProtocol
import CMemoryBackend

/// The functions of the server, as `memory_backend.h` declares them.
///
/// `@unchecked Sendable`: the header says that they may be called from any thread, and that the
/// structure stays until the process ends.
struct Host: @unchecked Sendable {
    private let structure: UnsafePointer<memory_backend_host>

    /// `nil` without a host, or with one of another version of the header.
    init?(_ structure: UnsafePointer<memory_backend_host>?) {
        guard let structure, structure.pointee.magic == MEMORY_BACKEND_MAGIC,
            structure.pointee.abi_version == MEMORY_BACKEND_ABI_VERSION,
            structure.pointee.size >= MemoryLayout<memory_backend_host>.size
        else { return nil }
        self.structure = structure
    }

    private var context: UnsafeMutableRawPointer? { structure.pointee.context }

    func settings() throws(MemoryError) -> BackendSettings {
        do {
            return try BackendSettings(json: try JSONValue(fromBorder: structure.pointee.settings.bytes))
        } catch let error as MemoryError {
            throw error
        } catch {
            throw MemoryError(.misconfigured, "the server's settings are not JSON")
        }
    }

    func complete(_ call: UInt64, _ status: BackendStatus, _ json: [UInt8]) {
        json.withText { structure.pointee.complete?(context, call, status.rawValue, $0) }
    }

    func log(_ level: Int32, _ message: String) {
        Array(message.utf8).withText { structure.pointee.log?(context, level, $0) }
    }

    func fail(_ message: String) {
        Array(message.utf8).withText { structure.pointee.fail?(context, $0) }
    }

    /// Embeds texts for the given call, or for none if it is 0.
    func embed(_ texts: [String], for call: UInt64) async throws -> [[Float]] {
        try await withCheckedThrowingContinuation { continuation in
            let receiver = Unmanaged.passRetained(Receiver(continuation))
            // All texts in one block of memory, because they must exist at the same time.
            let bytes = texts.map { Array($0.utf8) }
            let joined = Array(bytes.map { $0 + [0] }.joined())
            joined.withUnsafeBytes { memory in
                var start = 0
                let pieces = bytes.map { text in
                    defer { start += text.count + 1 }
                    return memory_backend_text(
                        data: memory.baseAddress?.advanced(by: start).assumingMemoryBound(to: CChar.self),
                        size: text.count)
                }
                structure.pointee.embed?(context, call, pieces, pieces.count, Receiver.receive, receiver.toOpaque())
            }
        }
    }

    /// Waits for embeddings; passed to the server as a pointer, and released when they arrive.
    private final class Receiver: Sendable {
        private let continuation: CheckedContinuation<[[Float]], any Error>

        init(_ continuation: CheckedContinuation<[[Float]], any Error>) {
            self.continuation = continuation
        }

        static let receive: memory_backend_embedded = { receiver, status, matrix, rows, columns, message in
            guard let receiver else { return }
            let continuation = Unmanaged<Receiver>.fromOpaque(receiver).takeRetainedValue().continuation
            guard status == MEMORY_BACKEND_OK, let matrix else {
                let code = BackendStatus(rawValue: status)?.errorCode ?? .embeddingFailed
                let words = String(decoding: message.bytes, as: UTF8.self)
                continuation.resume(
                    throwing: MemoryError(code, words.isEmpty ? "the server returned no embeddings" : words))
                return
            }
            continuation.resume(
                returning: (0..<rows).map { row in
                    Array(UnsafeBufferPointer(start: matrix + row * columns, count: columns))
                })
        }
    }
}

extension memory_backend_text {
    /// A copy.
    var bytes: [UInt8] {
        guard let data else { return [] }
        return Array(UnsafeRawBufferPointer(start: data, count: size))
    }
}

extension [UInt8] {
    func withText(_ body: (memory_backend_text) -> Void) {
        withUnsafeBytes { bytes in
            body(
                memory_backend_text(
                    data: bytes.baseAddress?.assumingMemoryBound(to: CChar.self), size: bytes.count))
        }
    }
}
