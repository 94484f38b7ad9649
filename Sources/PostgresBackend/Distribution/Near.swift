import AgentMemory

/// A record by its distance to a query.
struct Near: Sendable {
    let id: String
    let distance: Double

    /// The order of a search by vector (rule S2).
    static func nearestFirst(_ a: Near, _ b: Near) -> Bool {
        a.distance != b.distance ? a.distance < b.distance : ExactString(a.id) < ExactString(b.id)
    }

    /// How many of some records, nearest first, have one distance at most.
    static func mostEquals(in sorted: [Near]) -> Int {
        var equals = 0
        var most = 0
        for position in sorted.indices {
            let isEqual = position > 0 && sorted[position].distance == sorted[position - 1].distance
            equals = isEqual ? equals + 1 : 1
            most = max(most, equals)
        }
        return most
    }
}
