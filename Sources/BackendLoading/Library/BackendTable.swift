import AgentMemory
import BackendProtocol
import CMemoryBackend

/// The table of functions that a factory returned, checked before any other use.
///
/// `@unchecked Sendable`: `memory_backend.h` says that its functions may be called from any thread.
struct BackendTable: @unchecked Sendable {
    let table: memory_backend
    let description: BackendDescription

    /// - Parameter setting: the value of the factory setting, for errors.
    /// - Throws: ``BackendFactoryError`` with code `invalidReturnType` that says what is wrong with
    ///   the table.
    init(_ pointer: UnsafePointer<memory_backend>?, symbol: String, setting: String) throws(BackendFactoryError) {
        func refuse(_ reason: String) -> BackendFactoryError {
            BackendFactoryError(.invalidReturnType, setting: setting, "\(symbol) returned \(reason)")
        }
        guard let pointer else {
            throw refuse(
                "NULL and gave no reason. It must return a memory_backend, or call host->fail before it returns NULL.")
        }
        // The first four numbers are the same in every version; the rest is read once they fit.
        let head = UnsafeRawPointer(pointer)
        let magic = head.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
        let version = head.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        let size = head.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        guard magic == MEMORY_BACKEND_MAGIC else {
            throw refuse(
                """
                something that is no memory_backend: it begins with 0x\(String(magic, radix: 16)), not with MEMORY_BACKEND_MAGIC \
                (0x\(String(MEMORY_BACKEND_MAGIC, radix: 16))). Is \(symbol) a factory for this server?
                """)
        }
        guard version == MEMORY_BACKEND_ABI_VERSION else {
            throw refuse(
                """
                a memory_backend of ABI version \(version); this server speaks version \(MEMORY_BACKEND_ABI_VERSION). Build the backend \
                with the memory_backend.h of this server.
                """)
        }
        let needed = MemoryLayout<memory_backend>.size
        guard size >= needed else {
            throw refuse(
                "a memory_backend of \(size) bytes; \(needed) are needed. Set its size to sizeof(memory_backend).")
        }
        let table = pointer.pointee
        let missing = Self.required.filter { !$0.isThere(table) }.map(\.name)
        guard missing.isEmpty else {
            throw refuse(
                "a memory_backend without \(missing.joined(separator: ", ")). Only prepare, health, drop and cancel may be NULL."
            )
        }
        self.table = table
        description = try Self.description(of: table, refuse)
    }

    private static var required: [(name: String, isThere: (memory_backend) -> Bool)] {
        [
            ("describe", { $0.describe != nil }), ("add", { $0.add != nil }), ("search", { $0.search != nil }),
            ("list", { $0.list != nil }), ("count", { $0.count != nil }), ("remove", { $0.remove != nil }),
            ("update", { $0.update != nil }), ("close", { $0.close != nil }),
        ]
    }

    private static func description(
        of table: memory_backend, _ refuse: (String) -> BackendFactoryError
    ) throws(BackendFactoryError) -> BackendDescription {
        guard let bytes = table.describe(table.`self`).bytes else {
            throw refuse("a memory_backend whose describe returns no text.")
        }
        do {
            return try BackendDescription(json: try JSONValue(fromBorder: bytes))
        } catch let error as MemoryError {
            throw refuse("a memory_backend whose description does not fit the schema: \(error.message).")
        } catch {
            throw refuse("a memory_backend whose describe returns no JSON.")
        }
    }

    /// `nil` for an operation that the backend does not have.
    func function(_ operation: BackendOperation) -> memory_backend_operation? {
        switch operation {
        case .prepare: table.prepare
        case .add: table.add
        case .search: table.search
        case .list: table.list
        case .count: table.count
        case .remove: table.remove
        case .update: table.update
        case .health: table.health
        case .drop: table.drop
        }
    }
}

extension memory_backend_text {
    /// A copy; `nil` for a missing text, or an impossible size: more than a gigabyte, or -1, with
    /// which C functions report a failure.
    var bytes: [UInt8]? {
        guard let data else { return size == 0 ? [] : nil }
        guard (0...(1 << 30)).contains(size) else { return nil }
        return Array(UnsafeRawBufferPointer(start: data, count: size))
    }
}
