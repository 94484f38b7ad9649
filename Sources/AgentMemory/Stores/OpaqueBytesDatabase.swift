/// A backend that keeps bytes with its records and returns them with the candidates of a search
/// (rule S12). It never reads them: the core stores there what late interaction compares.
///
/// Its capabilities say `opaqueBytes`. The calls without bytes have default implementations, which
/// store none.
public protocol OpaqueBytesDatabase: MemoryVectorDatabase {
    /// Makes the bytes; the one that makes the vectors too.
    var embedder: any Embedder { get }

    /// As ``MemoryVectorDatabase/add(_:)``, each record with its bytes.
    ///
    /// - Parameters:
    ///   - records: to be stored whole.
    ///   - bytes: one for each record, in their order, of at most ``OpaqueBytes/maximumCount``;
    ///     `nil` for a record that has none from now on.
    func add(_ records: [MemoryRecord], bytes: [[UInt8]?]) async throws -> [String]

    /// As ``MemoryVectorDatabase/update(_:)``. An update that applies and names the text replaces
    /// the record's bytes in the same step; every other update leaves them as they are.
    ///
    /// - Parameters:
    ///   - updates: in their order.
    ///   - bytes: one for each update, in their order, as for ``add(_:bytes:)``.
    func update(_ updates: [RecordUpdate], bytes: [[UInt8]?]) async throws -> Int

    /// As ``MemoryVectorDatabase/search(_:)``, with the bytes of the hits.
    ///
    /// - Returns: the page, and one for each of its items, in their order; `nil` for a record that
    ///   has none.
    func searchWithBytes(_ query: SearchQuery) async throws -> (page: Page<SearchHit>, bytes: [[UInt8]?])
}

/// The limits of what an ``OpaqueBytesDatabase`` keeps.
public enum OpaqueBytes {
    /// The most bytes of one record; longer ones are not stored.
    public static let maximumCount = 8192
}

extension OpaqueBytesDatabase {
    public func add(_ records: [MemoryRecord]) async throws -> [String] {
        try await add(records, bytes: records.map { _ in nil })
    }

    public func update(_ updates: [RecordUpdate]) async throws -> Int {
        try await update(updates, bytes: updates.map { _ in nil })
    }

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        try await searchWithBytes(query).page
    }

    /// Stores records with the bits of their tokens.
    func addWithTokens(_ records: [MemoryRecord]) async throws -> [String] {
        let bits = try await tokenBytes(of: records.map(\.text))
        return try await add(records, bytes: records.map { bits[ExactString($0.text)] })
    }

    /// Updates records with the bits of the texts that the updates name.
    func updateWithTokens(_ updates: [RecordUpdate]) async throws -> Int {
        let bits = try await tokenBytes(of: updates.compactMap(\.changes.text))
        return try await update(
            updates, bytes: updates.map { $0.changes.text.flatMap { bits[ExactString($0)] } })
    }

    /// The bits of texts as they are stored; none without a model that makes them.
    private func tokenBytes(of texts: [String]) async throws -> [ExactString: [UInt8]] {
        guard embedder.tokenModelTag != nil else { return [:] }
        var bytes: [ExactString: [UInt8]] = [:]
        for (text, encoding) in zip(texts, try await embedder.checkedEncodings(of: texts)) {
            guard let stored = encoding.tokens?.bits.storedBytes, stored.count <= OpaqueBytes.maximumCount
            else { continue }
            bytes[ExactString(text)] = stored
        }
        return bytes
    }
}
