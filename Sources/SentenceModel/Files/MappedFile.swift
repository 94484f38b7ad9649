import AgentMemory

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file's bytes, mapped into memory: pages are read on first access, and shared with every
/// process that maps the same file.
///
/// `@unchecked Sendable`: the mapping is private, only read, and ends with the object. A pointer
/// into ``bytes`` is valid only as long as the object. Truncating the file while it is mapped ends
/// the process with SIGBUS, so a model must be replaced by a new file, not overwritten; `mv` does
/// that.
final class MappedFile: @unchecked Sendable {
    let path: String
    let bytes: UnsafeRawBufferPointer

    /// - Throws: ``MemoryError`` with code `misconfigured` if the path is not a regular file that
    ///   can be read.
    init(_ path: String) throws(MemoryError) {
        func refusal(_ reason: String) -> MemoryError {
            MemoryError(.misconfigured, "the model file \(path) cannot be read: \(reason)")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw refusal(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw refusal(String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw refusal("it is not a file") }
        self.path = path
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw refusal(String(cString: strerror(errno)))
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit {
        if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
    }
}
