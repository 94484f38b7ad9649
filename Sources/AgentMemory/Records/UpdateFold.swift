/// Applies the updates of one call to the stored records (rules U1, U2).
///
/// Several updates of an id apply in their order. An update of an unknown id is left out, and so is
/// one whose ``RecordChanges/Access`` is not due.
public struct UpdateFold: Sendable {
    /// A record that changes.
    public struct Change: Sendable {
        /// The id as the updates spell it.
        public let id: String
        /// The stored record.
        public let before: MemoryRecord
        public fileprivate(set) var after: MemoryRecord
        /// The changes that apply, in their order.
        public fileprivate(set) var applied: [RecordChanges]

        /// The text, if it changes: only then the record needs a new vector.
        public var newText: String? { ExactString(before.text) == ExactString(after.text) ? nil : after.text }
    }

    /// Each record once, in the order in which the updates first name them.
    public private(set) var changes: [Change] = []

    /// The changes that `updates` make. `stored` returns the record with an id, or `nil`; it is
    /// called once for each id.
    ///
    /// - Throws: what `stored` throws.
    public init(_ updates: [RecordUpdate], stored: (String) throws -> MemoryRecord?) rethrows {
        /// The position of each record that changes, and the records that do not change so far.
        var positions: [ExactString: Int] = [:]
        var unchanged: [ExactString: MemoryRecord?] = [:]
        for update in updates {
            let id = ExactString(update.id)
            let position = positions[id]
            let current: MemoryRecord?
            if let position {
                current = changes[position].after
            } else if let known = unchanged[id] {
                current = known
            } else {
                current = try stored(update.id)
                unchanged[id] = .some(current)
            }
            guard var record = current else { continue }
            if let access = update.changes.access, !access.isDue(lastAccessed: record.lastAccessed) { continue }
            let before = record
            record.apply(update.changes)
            if let position {
                changes[position].after = record
                changes[position].applied.append(update.changes)
            } else {
                positions[id] = changes.count
                changes.append(Change(id: update.id, before: before, after: record, applied: [update.changes]))
            }
        }
    }

    /// Refuses what only the stored record and its changes together break (rule X2).
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` that names the field.
    public func checkRules() throws(MemoryError) {
        for change in changes { try FieldRules.checkExpiry(change.after.expiresAt, pinned: change.after.pinned) }
    }

    public init(_ updates: [RecordUpdate], stored: [ExactString: MemoryRecord]) {
        self.init(updates) { stored[ExactString($0)] }
    }

    /// The texts that need a vector and are not among `vectors`, each once.
    public func textsToEmbed(besides vectors: TextVectors) -> [String] {
        changes.compactMap(\.newText).exactlyDistinct().filter { vectors[$0] == nil }
    }
}

/// The encodings of texts, compared by their bytes, that one call has embedded so far.
///
/// Texts are embedded outside of transactions and locks. Other calls may change the stored records
/// meanwhile, so a call reads them again until every text that it writes has its vector.
public struct TextVectors: Sendable {
    private var encodings: [ExactString: TextEncoding] = [:]

    public init() {}

    public subscript(text: String) -> [Float]? { encodings[ExactString(text)]?.vector }

    /// The vector with the tokens.
    public func encoding(of text: String) -> TextEncoding? { encodings[ExactString(text)] }

    /// Embeds the texts and keeps their vectors.
    ///
    /// - Throws: as ``Embedder``.
    public mutating func embed(_ texts: [String], by embedder: any Embedder) async throws {
        for (text, encoding) in zip(texts, try await embedder.checkedEncodings(of: texts)) {
            encodings[ExactString(text)] = encoding
        }
    }
}
