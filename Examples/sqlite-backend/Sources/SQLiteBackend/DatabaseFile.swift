import AgentMemory
import Dispatch
import Foundation
import GRDB
import Synchronization

/// The file and the connections to it. What SQLite fails with is thrown as a ``MemoryError``.
///
/// GRDB runs what it is given on threads of its own, so nothing here makes Swift's threads wait for
/// a disk or a lock.
final class DatabaseFile: Sendable {
    private let path: String
    private let isScoped: Bool
    private let timeout: Duration
    private let vectors: VectorSpace
    private let pool = Mutex<DatabasePool?>(nil)
    /// Opens, closes and removes: one at a time, and where waiting is allowed.
    private let queue = DispatchQueue(label: "sqlite-backend")

    /// - Parameters:
    ///   - scope: where there is one, a file of its own next to `path`.
    ///   - timeout: how long to wait for another process that writes.
    init(path: String, scope: String?, timeout: Duration, vectors: VectorSpace) {
        self.path = scope.map { "\(path).\($0)" } ?? path
        isScoped = scope != nil
        self.timeout = timeout
        self.vectors = vectors
    }

    /// Opens the file, and makes it and its tables if they are missing. Does nothing if it is open.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if there cannot be such a file, or if
    ///   its vectors are another model's.
    func open() async throws {
        try await apart {
            guard self.pool.withLock({ $0 == nil }) else { return }
            let opened = try self.makePool()
            self.pool.withLock { $0 = opened }
        }
    }

    private func makePool() throws -> DatabasePool {
        var configuration = Configuration()
        configuration.busyMode = .timeout(timeout / .seconds(1))
        do {
            let pool = try DatabasePool(path: path, configuration: configuration)
            // In WAL mode GRDB chooses NORMAL, which may lose the last commits when the power goes.
            // What was acknowledged is kept.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            let stored = try pool.write { db in
                try db.makeTables()
                return try db.claim(vectors)
            }
            if let stored, stored != vectors { throw refusal(of: stored) }
            return pool
        } catch let error as DatabaseError {
            switch error.resultCode {
            case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_READONLY, .SQLITE_NOTADB:
                throw MemoryError(
                    .misconfigured,
                    """
                    SQLITE_BACKEND_PATH: \(path) cannot be used (\(error.message ?? error.resultCode.description)). It must be a \
                    SQLite file, or a new one in a folder that exists, and the server must be allowed to write both
                    """)
            default: throw error
            }
        }
    }

    private func refusal(of stored: VectorSpace) -> MemoryError {
        MemoryError(
            .misconfigured,
            """
            \(path) holds vectors of the embedding model \(stored.model) with \(stored.dimensions) dimensions, the server has \
            \(vectors.model) with \(vectors.dimensions): set EMBEDDING_MODEL to the one that filled the file, or SQLITE_BACKEND_PATH \
            to another file
            """)
    }

    /// Waits for what is running, and for SQLite to bring its three files together in one.
    func close() async throws {
        try await apart { try self.closePool() }
    }

    private func closePool() throws {
        let open = pool.withLock { pool in
            defer { pool = nil }
            return pool
        }
        // The connection that closes last tidies up, and one that only reads may not: so those go
        // first.
        open?.invalidateReadOnlyConnections()
        try open?.close()
    }

    /// Closes and removes the file of a scope.
    func drop() async throws {
        guard isScoped else { throw MemoryError(.internalError, "only the file of a scope can be dropped") }
        try await apart {
            try self.closePool()
            for file in [self.path, self.path + "-wal", self.path + "-shm"]
            where FileManager.default.fileExists(atPath: file) {
                try FileManager.default.removeItem(atPath: file)
            }
        }
    }

    /// Runs `body` on one state of the database, whatever is written meanwhile.
    func read<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        let pool = try opened()
        return try await Self.typed { try await pool.read(body) }
    }

    /// Runs `body` in a transaction without concurrent writes; an error rolls it back.
    func write<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        let pool = try opened()
        return try await Self.typed { try await pool.write(body) }
    }

    private func opened() throws -> DatabasePool {
        guard let pool = pool.withLock(\.self) else {
            throw MemoryError(.storeUnavailable, "the file of the memories is not open")
        }
        return pool
    }

    private func apart(_ work: @escaping @Sendable () throws -> Void) async throws {
        try await Self.typed {
            try await withCheckedThrowingContinuation { continuation in
                queue.async { continuation.resume(with: Result(catching: work)) }
            }
        }
    }

    private static func typed<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as DatabaseError {
            throw MemoryError(error)
        }
    }
}
