public import AgentMemory
public import CMemoryBackend

/// What a factory receives from the server: the one argument of the exported function.
public typealias BackendHost = UnsafePointer<memory_backend_host>

/// What a factory returns to the server.
public typealias BackendTable = UnsafePointer<memory_backend>

/// A database that can remove everything in its scope, so that checks leave nothing behind.
public protocol ScopedMemoryDatabase: MemoryVectorDatabase {
    /// Removes everything that is stored under the scope of the ``BackendContext``. Called only if
    /// there is one.
    func drop() async throws
}

extension UnsafePointer where Pointee == memory_backend_host {
    /// Creates a backend for the server. A library with a backend in Swift needs this one line:
    ///
    ///     @_cdecl("create_acme_backend")
    ///     public func createAcmeBackend(_ host: BackendHost) -> BackendTable? { host.export { try AcmeDatabase($0) } }
    ///
    /// - Parameters:
    ///   - version: the backend's version, for readers.
    ///   - makeDatabase: makes the database. It must not connect yet: `prepare()` does. If it
    ///     throws, the server reports the error and refuses to start.
    /// - Returns: `nil` if `makeDatabase` threw; the server has the error.
    public func export(
        version: String? = nil, _ makeDatabase: (BackendContext) throws -> any MemoryVectorDatabase
    ) -> BackendTable? {
        guard let host = Host(self) else { return nil }
        do {
            let database = try makeDatabase(try BackendContext(host))
            guard !database.capabilities.opaqueBytes || database is any OpaqueBytesDatabase else {
                throw MemoryError(
                    .misconfigured, "\(database.name) declares opaqueBytes and is not an OpaqueBytesDatabase")
            }
            return ExportedBackend.table(of: database, version: version, host: host)
        } catch {
            host.fail((error as? MemoryError)?.message ?? String(describing: error))
            return nil
        }
    }
}
