/// How the nearest records are found.
enum SearchPlan: Equatable {
    /// The distance of every matching record is computed.
    case exact
    /// The HNSW index returns its nearest until `candidates` of them match the filter, or
    /// `scanLimit` have been examined. It counts if it returns `candidates`, or all `matches`.
    case approximate(candidates: Int, scanLimit: Int, matches: Int)
    /// Among the records of one user those with the `candidates` codes most similar to that of the
    /// query are measured, and all with the same similarity as the last of them. It counts only if
    /// `matches` records have codes.
    case coded(candidates: Int, matches: Int)
    /// Records are measured that this server has chosen by codes that it remembers. It counts only
    /// if nothing about the user's records has changed since the codes were read.
    case remembered(RememberedChoice)

    /// How many candidates a plan must find to be trusted; `nil` for the exact one, which finds
    /// all.
    var expectedCandidates: Int? {
        switch self {
        case .exact: nil
        case .approximate(let candidates, _, _), .coded(let candidates, _): candidates
        case .remembered(let choice): choice.numbers.count
        }
    }

    /// Microseconds to read a vector and compute its distance, measured with 1,536 dimensions.
    private static let exactCost = 1.4
    /// Microseconds for each record that a filtered index scan examines, measured with 1,536
    /// dimensions.
    private static let scanCost = 7.0
    /// Microseconds to compare a code.
    private static let codeCost = 0.5
    /// Microseconds to read and measure a vector that its code has chosen.
    private static let measureCost = 2.0

    /// How many vectors are measured that their codes have chosen. Of random directions, the
    /// hardest case, three times 100 of 2,000 and a tenth of more contain 98 % of the ten nearest;
    /// of clustered vectors all.
    static func measured(of matches: Int, candidates: Int) -> Int { max(3 * candidates, matches / 10) }

    /// The range of the server's setting, as a power of two.
    private static let mostLooks = 1 << 30

    /// The cheapest of the plans, which is often the exact one even outside the exact zone. The
    /// server's own planner cannot choose, because it takes a distance to be as cheap as a
    /// comparison of two integers.
    ///
    /// An index scan that meets few matching records, for example because the query is near other
    /// users' vectors, ends after a few times the number of records it should have needed; then the
    /// exact plan follows.
    ///
    /// - Parameters:
    ///   - matches: the number of records that match the filter.
    ///   - total: the number of all records.
    ///   - candidates: the depth's constant; `nil` means all.
    ///   - zone: up to this many matches the result must be exact.
    ///   - coded: whether the codes can apply the filter.
    static func choose(
        matches: Int, total: Int, candidates: Int?, zone: Int, indexed: Bool, coded: Bool = false
    ) -> SearchPlan {
        guard indexed, var candidates, matches > max(zone, candidates) else { return .exact }
        let measured = measured(of: matches, candidates: candidates)
        let codedCost = coded ? Double(matches) * Self.codeCost + Double(measured) * Self.measureCost : .infinity
        // With a filter the index returns waves that are ordered only within themselves: if the
        // matches are far from the query, the first of them are not the nearest ones yet.
        if matches < total { candidates *= 2 }
        let looks = Double(candidates) * Double(max(total, matches)) / Double(matches)
        let walkCost = looks * Self.scanCost
        if codedCost < min(walkCost, Double(matches) * Self.exactCost) {
            return .coded(candidates: measured, matches: matches)
        }
        guard Double(matches) * Self.exactCost > walkCost else { return .exact }
        // Rounded up to a power of two, so that a small change of the number of records does not
        // change what a search sees.
        var scanLimit = 2048
        while scanLimit < Self.mostLooks, Double(scanLimit) < 4 * looks { scanLimit *= 2 }
        return .approximate(candidates: candidates, scanLimit: scanLimit, matches: matches)
    }
}
