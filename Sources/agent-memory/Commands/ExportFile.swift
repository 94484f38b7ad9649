import MemoryService
import Synchronization

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

private func put(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}

/// A file that takes its name when it is complete: until then it has another one in the same
/// folder. Only its owner may read it.
///
/// It writes on the thread of the caller: the process does nothing else.
final class ExportFile: ExportSink {
    private let path: String
    private let temporary: String
    private let descriptor: Int32

    /// - Throws: ``Refusal``.
    init(_ path: String) throws {
        var template = Array((path + ".XXXXXX").utf8CString)
        descriptor = mkstemp(&template)
        self.path = path
        temporary = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        guard descriptor >= 0 else { throw Self.failure("cannot write to \(path)") }
    }

    func write(_ bytes: [UInt8]) async throws {
        try Task.checkCancellation()
        var position = 0
        while position < bytes.count {
            let written = bytes.withUnsafeBytes { buffer in
                put(UnsafeRawBufferPointer(rebasing: buffer[position...]), to: descriptor)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw Self.failure("cannot write to \(temporary)") }
            position += written
        }
    }

    /// Gives the file its name once its bytes are on the disk.
    func complete() throws {
        guard fsync(descriptor) == 0, close(descriptor) == 0, rename(temporary, path) == 0 else {
            throw Self.failure("cannot complete \(path)")
        }
    }

    /// Removes what was written.
    func discard() {
        close(descriptor)
        unlink(temporary)
    }

    private static func failure(_ what: String) -> Refusal {
        Refusal("\(what): \(String(cString: strerror(errno)))")
    }
}

/// Reads a file from its beginning, piece by piece.
struct FilePieces: ~Copyable {
    private static let pieceSize = 1 << 20

    private let path: String
    private let file: UnsafeMutablePointer<FILE>

    /// - Throws: ``Refusal``.
    init(_ path: String) throws {
        self.path = path
        guard let file = fopen(path, "rb") else {
            throw Refusal("cannot read \(path): \(String(cString: strerror(errno)))")
        }
        self.file = file
    }

    deinit { fclose(file) }

    /// The next bytes; `nil` at the end.
    func next() throws -> [UInt8]? {
        try Task.checkCancellation()
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, count in
            count = fread(buffer.baseAddress, 1, buffer.count, file)
        }
        guard ferror(file) == 0 else { throw Refusal("cannot read \(path): \(String(cString: strerror(errno)))") }
        return bytes.isEmpty ? nil : bytes
    }
}
