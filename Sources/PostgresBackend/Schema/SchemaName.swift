import AgentMemory

/// The name of the schema of the tables: a plain identifier, so that SQL text can contain it.
struct SchemaName: Sendable, Equatable {
    let name: String

    /// - Throws: ``MemoryError`` with code `misconfigured` unless the name is 1 to 63 ASCII
    ///   letters, digits and underscores, does not start with a digit or with `pg_`.
    init(_ name: String) throws(MemoryError) {
        let bytes = Array(name.utf8)
        func isLetter(_ byte: UInt8) -> Bool {
            (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
        }
        guard let first = bytes.first, bytes.count <= 63, isLetter(first), !name.hasPrefix("pg_"),
            bytes.allSatisfy({ isLetter($0) || (0x30...0x39).contains($0) })
        else {
            throw MemoryError(
                .misconfigured,
                "the schema name must be 1 to 63 letters, digits and underscores, not start with a digit or with pg_"
            )
        }
        self.name = name
    }

    var quoted: String { "\"\(name)\"" }
}
