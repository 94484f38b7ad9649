/// How the nearest records are found.
enum SearchPlan: Equatable {
    /// The distance of every matching record is computed.
    case exact
    /// The HNSW index yields its nearest until `candidates` of them match the filter, or
    /// `scanLimit` have been looked at.
    case approximate(candidates: Int, scanLimit: Int)

    /// Microseconds to look a vector up and compute its distance, seen with 1,536 dimensions.
    private static let exactCost = 2.0
    /// Microseconds for each record that a filtered index scan looks at, seen with 1,536
    /// dimensions.
    private static let scanCost = 7.0

    /// What the server's setting takes, as a power of two.
    private static let mostLooks = 1 << 30

    /// The cheaper of the two, which outside the exact zone is often still the exact one: the
    /// server's own planner holds a distance to be as cheap as the comparison of two integers and
    /// cannot choose.
    ///
    /// An index scan that meets few matching records, as when the query lies in a region of other
    /// users' vectors, is ended after a few times the number of records it should have needed; then
    /// the exact plan follows.
    ///
    /// - Parameters:
    ///   - matches: the number of records that match the filter.
    ///   - total: the number of all records.
    ///   - candidates: the depth's constant; `nil` asks for all.
    ///   - zone: up to this many matches the answer must be exact.
    static func choose(matches: Int, total: Int, candidates: Int?, zone: Int, indexed: Bool) -> SearchPlan {
        guard indexed, var candidates, matches > max(zone, candidates) else { return .exact }
        // Beside a filter the index yields in waves that are ordered only within themselves: where
        // the matches lie in other regions than the query, the first of them are not the nearest
        // ones yet.
        if matches < total { candidates *= 2 }
        let looks = Double(candidates) * Double(max(total, matches)) / Double(matches)
        guard Double(matches) * exactCost > looks * scanCost else { return .exact }
        // Rounded up to a power of two, so that a record more or less does not change what a search
        // sees.
        var scanLimit = 2048
        while scanLimit < Self.mostLooks, Double(scanLimit) < 4 * looks { scanLimit *= 2 }
        return .approximate(candidates: candidates, scanLimit: scanLimit)
    }
}
