/// The prepared statements of one connection; the least recently used one is evicted when there are
/// too many.
struct PreparedStatements {
    struct Entry {
        let name: String
        var lastUse: Int
    }

    let limit: Int
    private var entries: [String: Entry] = [:]
    private var uses = 0
    private var names = 0

    init(limit: Int) {
        self.limit = limit
    }

    var count: Int { entries.count }

    /// The name under which the server knows `sql`, if it does.
    mutating func name(for sql: String) -> String? {
        uses += 1
        entries[sql]?.lastUse = uses
        return entries[sql]?.name
    }

    /// A name that was never used on this connection.
    mutating func newName() -> String {
        names += 1
        return "s\(names)"
    }

    mutating func add(_ sql: String, name: String) {
        uses += 1
        entries[sql] = Entry(name: name, lastUse: uses)
    }

    mutating func remove(_ sql: String) {
        entries[sql] = nil
    }

    /// Evicts statements until `additional` more fit, except those in `needed`.
    ///
    /// - Returns: the names that must be dropped on the server too.
    mutating func makeRoom(for additional: Int, sparing needed: Set<String>) -> [String] {
        var evicted: [String] = []
        while entries.count + additional > limit,
            let oldest = entries.filter({ !needed.contains($0.key) }).min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            evicted.append(oldest.value.name)
            entries[oldest.key] = nil
        }
        return evicted
    }
}
