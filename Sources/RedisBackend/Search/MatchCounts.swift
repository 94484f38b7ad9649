import AgentMemory
import Synchronization

/// How many records recently matched a query: guesses, which save a round trip or choose a plan,
/// and cost time if they are wrong.
final class MatchCounts: Sendable {
    private struct Known {
        var counts: [Int: Int] = [:]
        var everything: (count: Int, at: ContinuousClock.Instant)?
    }

    private let known = Mutex(Known())
    private static let capacity = 4096
    /// How long the number of all records is good for.
    private static let lifetime = Duration.seconds(30)

    func isExact(_ query: QueryText) -> Bool {
        count(query).map { $0 <= SearchDepth.exactZone } ?? !query.isEmpty
    }

    func count(_ query: QueryText) -> Int? {
        let key = query.identity
        return known.withLock { $0.counts[key] }
    }

    func learn(_ query: QueryText, _ count: Int) {
        let key = query.identity
        known.withLock { known in
            if known.counts.count >= Self.capacity, known.counts[key] == nil { known.counts.removeAll() }
            known.counts[key] = count
        }
    }

    /// The number of all records, if it was learned lately.
    var everything: Int? {
        known.withLock { known in
            known.everything.flatMap { $0.at.duration(to: .now) < Self.lifetime ? $0.count : nil }
        }
    }

    func learnEverything(_ count: Int) {
        known.withLock { $0.everything = (count, .now) }
    }

    /// Fewer matches than this are measured in a few milliseconds, whatever else there is.
    static let fewest = 5000

    /// Whether the graph finds neighbours that match sooner than all matches are measured, even if
    /// every record that does not match is nearer. Measured on 384 dimensions: a step along the
    /// graph takes as long as measuring twenty records, and a wanted neighbour three steps.
    static func favorsGraph(matches: Int, of everything: Int, candidates: Int) -> Bool {
        let steps = max(0, everything - matches) + 3 * candidates
        return matches >= fewest && steps < matches / 20
    }
}
