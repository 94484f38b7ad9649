import AgentMemory
import GRDB

extension MemoryError {
    /// `message` is ours; SQLite's words, which name tables but no values, are for the log.
    init(_ error: DatabaseError) {
        let message =
            switch error.resultCode {
            case .SQLITE_BUSY, .SQLITE_LOCKED: "another program has been writing to the SQLite file for too long"
            case .SQLITE_FULL: "there is no room left for the SQLite file"
            case .SQLITE_READONLY, .SQLITE_PERM: "the SQLite file may not be written"
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: "the SQLite file is damaged"
            default: "SQLite refused the work"
            }
        self.init(
            .storeUnavailable, message,
            underlying: "\(error.extendedResultCode): \(error.message ?? "no message")")
    }
}
