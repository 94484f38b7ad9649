public import MemoryBackendSDK

/// What the server looks for in the library:
/// `MEMORY_VECTOR_DB_FACTORY=<library>:create_sqlite_backend`.
@_cdecl("create_sqlite_backend")
public func createSQLiteBackend(_ host: BackendHost) -> BackendTable? { host.export { try SQLiteMemoryDatabase($0) } }
