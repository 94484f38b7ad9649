/// The candidates of a blended search with the parts of their values, best first.
public struct BlendedOrder: Sendable {
    public struct Entry: Sendable {
        public let candidate: RankingCandidate
        /// The parts of the value, each with its weight.
        public internal(set) var similarity = 0.0
        public internal(set) var keyword = 0.0
        public internal(set) var date = 0.0
        public internal(set) var late = 0.0
        public internal(set) var spread = 0.0
        /// The id of the neighbouring record that gave ``spread``.
        public internal(set) var giver: String?
        /// Their sum.
        public internal(set) var value = 0.0

        init(candidate: RankingCandidate) {
            self.candidate = candidate
        }
    }

    public private(set) var entries: [Entry]
    /// Of each word of the query, over the matching records.
    let idf: [Double]
    /// How many of the first entries late interaction compares; those after them stay after them.
    private let tier: Int

    /// How many records match, candidates or not.
    let matches: Int
    /// Whether late interaction has had its say.
    private(set) var comparedTokens = false

    init(_ entries: [Entry], matches: Int, idf: [Double], lateDepth: Int?) {
        self.entries = entries
        self.matches = matches
        self.idf = idf
        tier = min(lateDepth ?? entries.count, entries.count)
        sort(0..<entries.count)
    }

    /// The records whose tokens are compared, best first.
    public var lateIDs: [String] { entries.prefix(tier).map(\.candidate.id) }

    /// The best value; what scores are relative to.
    public var best: Double { entries.first?.value ?? 0 }

    private mutating func sort(_ range: Range<Int>) {
        // Numbers are sorted, because an entry is large and holds many references.
        var order = range.map { (value: entries[$0].value, position: $0) }
        order.sort { a, b in
            guard a.value == b.value else { return a.value > b.value }
            return entries[a.position].candidate.id.utf8.lexicographicallyPrecedes(
                entries[b.position].candidate.id.utf8)
        }
        entries.replaceSubrange(range, with: order.map { entries[$0.position] })
    }

    /// - Parameter values: of the first entries, in their order.
    mutating func addLate(_ values: [Double]) {
        comparedTokens = true
        for (position, value) in values.enumerated() {
            entries[position].late = value
            entries[position].value += value
        }
        sort(0..<tier)
    }

    /// Lets the best records give to their neighbours in their sessions: what a record is better
    /// than the 20th, times `share`, less with every step of distance. A record gets the greatest
    /// of what it is given, never the sum: many weak neighbours say nothing.
    mutating func spread(share: Double) {
        let givers = min(BlendedRanking.givers, entries.count)
        guard givers > 1 else { return }
        let floor = entries[givers - 1].value
        let giving = Set(entries.prefix(givers).compactMap(\.candidate.session))
        var sessions: [RankingSession: [Int]] = [:]
        for (position, entry) in entries.enumerated() {
            guard let session = entry.candidate.session, giving.contains(session) else { continue }
            sessions[session, default: []].append(position)
        }
        var gained: [Int: (value: Double, giver: Int)] = [:]
        for members in sessions.values where members.count > 1 {
            let timeline = members.sorted { a, b in
                let (a, b) = (entries[a].candidate, entries[b].candidate)
                return a.createdAt != b.createdAt ? a.createdAt < b.createdAt : ExactString(a.id) < ExactString(b.id)
            }
            for (place, giver) in timeline.enumerated() where giver < givers {
                let lead = entries[giver].value - floor
                var part = share * lead
                for distance in 1...BlendedRanking.reach {
                    for neighbour in [place - distance, place + distance] where timeline.indices.contains(neighbour) {
                        let taker = timeline[neighbour]
                        if part > gained[taker]?.value ?? 0 { gained[taker] = (part, giver) }
                    }
                    part *= BlendedRanking.decay
                }
            }
        }
        for (taker, gain) in gained {
            entries[taker].spread = gain.value
            entries[taker].giver = entries[gain.giver].candidate.id
            entries[taker].value += gain.value
        }
        sort(0..<tier)
        sort(tier..<entries.count)
    }
}
