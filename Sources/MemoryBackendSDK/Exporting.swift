public import AgentMemory
public import CMemoryBackend

/// What a factory gets from the server: the one argument of the exported function.
public typealias BackendHost = UnsafePointer<memory_backend_host>

/// What a factory returns to the server.
public typealias BackendTable = UnsafePointer<memory_backend>

/// A database that can remove all that it keeps in its scope, so that checks leave nothing behind.
public protocol ScopedMemoryDatabase: MemoryVectorDatabase {
    /// Removes everything that is stored under the scope of the ``BackendContext``. Called only
    /// where there is one.
    func drop() async throws
}

extension UnsafePointer where Pointee == memory_backend_host {
    /// Makes a backend for the server. The one line of a library that brings a backend in Swift:
    ///
    ///     @_cdecl("create_acme_backend")
    ///     public func createAcmeBackend(_ host: BackendHost) -> BackendTable? { host.export { try AcmeDatabase($0) } }
    ///
    /// - Parameters:
    ///   - version: what the backend calls its version, for people.
    ///   - makeDatabase: makes the database; must not connect yet,
    ///     ``MemoryVectorDatabase/prepare()`` does. What it throws is what the server says when it
    ///     refuses to start.
    /// - Returns: `nil` if `makeDatabase` threw; the server knows why.
    public func export(
        version: String? = nil, _ makeDatabase: (BackendContext) throws -> any MemoryVectorDatabase
    ) -> BackendTable? {
        guard let host = Host(self) else { return nil }
        do {
            return ExportedBackend.table(
                of: try makeDatabase(try BackendContext(host)), version: version, host: host)
        } catch {
            host.fail((error as? MemoryError)?.message ?? String(describing: error))
            return nil
        }
    }
}
