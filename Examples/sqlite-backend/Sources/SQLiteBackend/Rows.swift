import AgentMemory
import Foundation
import GRDB

/// The table of records, and the statements on it.
extension Database {
    /// Makes the tables if they are missing. Several servers may do so at once: it runs in a
    /// transaction that writes.
    func makeTables() throws {
        try execute(
            sql: """
                CREATE TABLE IF NOT EXISTS memories (
                    id TEXT PRIMARY KEY,
                    created_at INTEGER NOT NULL,  -- microseconds since 1970
                    record TEXT NOT NULL,         -- JSON, as the REST API spells it
                    vector BLOB NOT NULL,         -- float32, as the machine has them
                    bytes BLOB                    -- what the server gives with the text, as it is
                );
                CREATE INDEX IF NOT EXISTS memories_newest ON memories (created_at DESC, id);
                CREATE TABLE IF NOT EXISTS vector_space (
                    id INTEGER PRIMARY KEY CHECK (id = 1), model TEXT NOT NULL, dimensions INTEGER NOT NULL
                );
                """)
        // Files of earlier versions have no such column.
        guard try !columns(in: "memories").contains(where: { $0.name == "bytes" }) else { return }
        try execute(sql: "ALTER TABLE memories ADD COLUMN bytes BLOB")
    }

    /// Notes whose vectors the file holds, if that is not noted yet.
    ///
    /// - Returns: what is noted.
    func claim(_ vectors: VectorSpace) throws -> VectorSpace? {
        try execute(
            sql: "INSERT OR IGNORE INTO vector_space (id, model, dimensions) VALUES (1, ?, ?)",
            arguments: [vectors.model, vectors.dimensions])
        return try Row.fetchOne(self, sql: "SELECT model, dimensions FROM vector_space")
            .map { VectorSpace(model: $0[0], dimensions: $0[1]) }
    }

    func store(_ record: MemoryRecord, _ vector: [Float], _ bytes: [UInt8]?) throws {
        try cachedStatement(
            sql: "INSERT OR REPLACE INTO memories (id, created_at, record, vector, bytes) VALUES (?, ?, ?, ?, ?)"
        ).execute(
            arguments: [
                record.id, record.createdAt.microseconds, record.jsonText, vector.bytes, bytes.map { Data($0) },
            ])
    }

    /// - Parameter vector: `nil` keeps the one there is.
    func change(_ record: MemoryRecord, _ vector: [Float]?) throws {
        try cachedStatement(sql: "UPDATE memories SET record = ?, vector = coalesce(?, vector) WHERE id = ?")
            .execute(arguments: [record.jsonText, vector?.bytes, record.id])
    }

    /// Replaces what the server has given with the text.
    func keep(_ bytes: [UInt8]?, of id: String) throws {
        try cachedStatement(sql: "UPDATE memories SET bytes = ? WHERE id = ?")
            .execute(arguments: [bytes.map { Data($0) }, id])
    }

    func bytes(_ id: String) throws -> [UInt8]? {
        try Data.fetchOne(cachedStatement(sql: "SELECT bytes FROM memories WHERE id = ?"), arguments: [id])
            .map(Array.init)
    }

    /// - Returns: how many there were, 0 or 1.
    func remove(_ id: String) throws -> Int {
        try cachedStatement(sql: "DELETE FROM memories WHERE id = ?").execute(arguments: [id])
        return changesCount
    }

    func record(_ id: String) throws -> MemoryRecord? {
        try Row.fetchOne(
            cachedStatement(sql: "SELECT id, record, vector FROM memories WHERE id = ?"), arguments: [id])?.record
    }

    /// Looks at every row, one at a time; a filter for a single id finds its row by the key.
    func forEachRow(matching filter: MemoryFilter, _ order: String = "", _ body: (Row) throws -> Void) throws {
        let key = filter.soleID
        let rows = try Row.fetchCursor(
            self, sql: "SELECT id, record, vector FROM memories \(key == nil ? "" : "WHERE id = ?") \(order)",
            arguments: key.map { [$0] } ?? [])
        while let row = try rows.next() {
            if try filter.isEmpty || filter.matches(row.record) { try body(row) }
        }
    }
}

/// The columns `id, record, vector`.
extension Row {
    var id: String { self[0] }

    var record: MemoryRecord {
        get throws { try MemoryRecord(stored: self[1]) }
    }

    /// - Throws: ``MemoryError`` with code `internalError` for another length, which can only be
    ///   damage: ``VectorSpace`` keeps it out.
    func vector(dimensions: Int) throws -> [Float] {
        try withUnsafeData(atIndex: 2) { data in
            let size = MemoryLayout<Float>.size
            guard let data, data.count == dimensions * size else {
                throw MemoryError(
                    .internalError,
                    "a vector in the file has \((data?.count ?? 0) / size) dimensions, the model has \(dimensions)")
            }
            return data.withUnsafeBytes { bytes in
                (0..<dimensions).map { bytes.loadUnaligned(fromByteOffset: $0 * size, as: Float.self) }
            }
        }
    }
}

extension [Float] {
    fileprivate var bytes: Data { withUnsafeBytes { Data($0) } }
}
