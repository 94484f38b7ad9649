import AgentMemory

/// Compares one page of a ranked search with the oracle's whole ranking, as strictly as the
/// contract fixes it.
///
/// The matching records, their number and their fields must be the oracle's. A distance or a score
/// must be near the oracle's. A place in the order must be taken by a record whose value is near
/// that of the oracle's record there, so that engines with single precision may differ in near
/// ties. Records that tie exactly must be in the order of their ids.
struct RankedComparison {
    private let query: SearchQuery
    private let whole: Page<SearchHit>
    private let position: HistoryReplay.Position
    private let places: [ExactString: Int]
    private let vectors: SteeredEmbedder
    /// The largest difference of two values whose order may differ; `nil` if the contract does not
    /// fix the order.
    private let orderTolerance: Double?
    /// Whether a record is so near the distance threshold that rounding decides.
    let isUndecided: Bool

    /// Single precision over 16 dimensions leaves six digits.
    private static let distanceTolerance = 1e-5
    /// For a score that is a quotient, or depends on the clock.
    private static let scoreTolerance = 1e-4

    init(
        _ query: SearchQuery, whole: Page<SearchHit>, oracle: HistoryReplay.Side, at position: HistoryReplay.Position
    ) async throws {
        self.query = query
        self.whole = whole
        self.position = position
        vectors = oracle.embedder
        places = Dictionary(
            whole.items.enumerated().map { (ExactString($1.record.id), $0) }, uniquingKeysWith: { first, _ in first })
        switch query.ranking {
        case .semantic(let threshold?):
            let all = try await oracle.database.search(
                SearchQuery(
                    text: query.text, ranking: .semantic(distanceThreshold: nil), filter: query.filter,
                    page: PageRequest(limit: PageRequest.maximumLimit)))
            isUndecided = all.items.contains { abs($0.distance - threshold) < 10 * Self.distanceTolerance }
        default: isUndecided = false
        }
        switch query.ranking {
        case .semantic: orderTolerance = Self.distanceTolerance
        case .semanticWithRecency: orderTolerance = Self.scoreTolerance
        // Engines differ in the constants of BM25, and many count the words of replaced and deleted
        // texts until they are cleaned up. Ranks of words after such a history cannot be compared.
        // Separate checks compare them, each on a new database.
        case .keyword: orderTolerance = nil
        case .hybrid(let alpha, _):
            let ranksByVectors = alpha == 1 || TextAnalyzer().query(query.text).isEmpty
            orderTolerance = ranksByVectors ? Self.scoreTolerance : nil
        // The core ranks what the matching records say, not what an engine has counted.
        case .blended: orderTolerance = Self.scoreTolerance
        }
    }

    func check(_ page: Page<SearchHit>) throws {
        guard !isUndecided else { return }
        let expected = Page<SearchHit>(items: [], total: whole.total, request: query.page)
        try position.expect("total of the search", page.total, whole.total)
        try position.expect("next_offset of the search", page.nextOffset, expected.nextOffset)
        let range = min(query.page.offset, whole.total)..<min(query.page.end, whole.total)
        let ids = page.items.map { ExactString($0.record.id) }
        guard ids.count == range.count, Set(ids).count == ids.count, ids.allSatisfy({ places[$0] != nil }),
            // The whole result must have the same records; a part of it may differ if ranks are
            // near.
            range.count < whole.total || Set(ids) == Set(places.keys)
        else {
            throw position.differs(
                "ids of the search", expected: "\(whole.items[range].map(\.record.id))", got: "\(ids.map(\.value))")
        }
        for (place, hit) in zip(range, page.items) {
            guard let own = places[ExactString(hit.record.id)] else { continue }
            try check(hit, as: whole.items[own])
            if let orderTolerance {
                let (value, expected) = (rankValue(whole.items[own]), rankValue(whole.items[place]))
                guard abs(value - expected) <= orderTolerance else {
                    throw position.differs(
                        "order of the search at place \(place)", expected: "\(whole.items[range].map(\.record.id))",
                        got: "\(ids.map(\.value))")
                }
            }
        }
        try checkScoresFall(page.items)
        try checkTies(page.items)
    }

    // MARK: One hit

    private func check(_ hit: SearchHit, as expected: SearchHit) throws {
        if let difference = RecordComparison.difference(hit.record, expected.record) {
            throw position.differs(
                "\(difference.field) of the found record \(expected.record.id.debugDescription)",
                expected: difference.expected, got: difference.got)
        }
        let id = hit.record.id.debugDescription
        try position.expect("score_type of \(id)", hit.scoreType, expected.scoreType)
        guard let score = hit.score, let expectedScore = expected.score else {
            throw position.differs(
                "score of \(id)", expected: "\(expected.score ?? .nan)", got: "\(hit.score ?? .nan)")
        }
        switch query.ranking {
        case .semantic:
            try near("dist of \(id)", hit.distance, expected.distance, Self.distanceTolerance)
            try near("score of \(id)", score, min(1, max(0, 1 - hit.distance)), Self.distanceTolerance)
        case .semanticWithRecency:
            try near("dist of \(id)", hit.distance, expected.distance, Self.distanceTolerance)
            try near("score of \(id)", score, expectedScore, Self.scoreTolerance)
        case .blended(let ranking) where ranking.base == .semantic:
            try near("dist of \(id)", hit.distance, expected.distance, Self.distanceTolerance)
            try near("score of \(id)", score, expectedScore, Self.scoreTolerance)
        case .keyword, .hybrid, .blended:
            try near("dist of \(id), which is 1 - score", hit.distance, 1 - score, Self.distanceTolerance)
            if let orderTolerance { try near("score of \(id)", score, expectedScore, orderTolerance) }
            guard score >= 0, score <= 1 else {
                throw position.differs("score of \(id)", expected: "0 to 1", got: "\(score)")
            }
        }
    }

    private func near(_ what: String, _ got: Double, _ expected: Double, _ tolerance: Double) throws {
        guard abs(got - expected) <= tolerance else {
            throw position.differs(what, expected: "\(expected) ± \(tolerance)", got: "\(got)")
        }
    }

    // MARK: Order

    /// The value that orders the records: a distance or a score.
    private func rankValue(_ hit: SearchHit) -> Double {
        if case .semantic = query.ranking { return hit.distance }
        return hit.score ?? 0
    }

    private func checkScoresFall(_ items: [SearchHit]) throws {
        for (one, next) in zip(items, items.dropFirst()) {
            let falls =
                if case .semantic = query.ranking {
                    one.distance <= next.distance + Self.distanceTolerance
                } else {
                    (one.score ?? 0) >= (next.score ?? 0) - Self.distanceTolerance
                }
            guard falls else {
                throw position.differs(
                    "rank of \(next.record.id.debugDescription)", expected: "no better than the one before",
                    got: "dist \(next.distance) after \(one.distance)")
            }
        }
    }

    /// Of records that tie exactly, those on the page must be neighbours in the order of ids, and
    /// in that order.
    private func checkTies(_ items: [SearchHit]) throws {
        let tied = Dictionary(grouping: whole.items, by: tieKey).mapValues { hits in
            hits.map { ExactString($0.record.id) }.sorted()
        }
        let shown = Dictionary(grouping: items, by: tieKey).mapValues { hits in hits.map { ExactString($0.record.id) } }
        for (key, got) in shown {
            guard let all = tied[key], all.count > 1, let first = all.firstIndex(of: got[0]) else { continue }
            let expected = Array(all[first..<min(first + got.count, all.count)])
            guard got == expected else {
                throw position.differs(
                    "ids of records that tie", expected: "\(expected.map(\.value))", got: "\(got.map(\.value))")
            }
        }
    }

    /// Records with the same key have the same rank in every engine.
    private struct TieKey: Hashable {
        var vector: [Float] = []
        var text: ExactString?
        var dates: [Timestamp] = []
    }

    private func tieKey(_ hit: SearchHit) -> TieKey {
        let record = hit.record
        switch query.ranking {
        case .semantic: return TieKey(vector: vectors.vector(record.text))
        case .semanticWithRecency:
            return TieKey(vector: vectors.vector(record.text), dates: [record.createdAt, record.lastAccessed])
        case .keyword: return TieKey(text: ExactString(record.text))
        // The value depends on more than the text: the id stands for all of it.
        case .blended: return TieKey(text: ExactString(record.id))
        case .hybrid:
            // Where all values are 0, all records tie.
            return whole.items.first?.score == 0 ? TieKey() : TieKey(text: ExactString(record.text))
        }
    }
}
