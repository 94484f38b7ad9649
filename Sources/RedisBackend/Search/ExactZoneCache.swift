import Synchronization

/// Whether a filter was recently in the exact zone: a guess that saves a round trip if it is right,
/// and costs one query if it is wrong.
final class ExactZoneCache: Sendable {
    private let known = Mutex<[Int: Bool]>([:])
    private static let capacity = 4096

    func isExact(_ query: QueryText) -> Bool {
        let key = Self.key(query)
        return known.withLock { $0[key] } ?? !query.isEmpty
    }

    func learn(_ query: QueryText, isExact: Bool) {
        let key = Self.key(query)
        known.withLock { known in
            if known[key] == isExact { return }
            if known.count >= Self.capacity { known.removeAll() }
            known[key] = isExact
        }
    }

    private static func key(_ query: QueryText) -> Int {
        var hasher = Hasher()
        hasher.combine(query.clauses)
        hasher.combine(query.parameters)
        return hasher.finalize()
    }
}
