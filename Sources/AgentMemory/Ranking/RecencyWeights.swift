#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The six parameters of recency ranking, with the reference server's defaults.
public struct RecencyWeights: Sendable, Equatable {
    /// Weight of the similarity; default 0.8.
    public let semantic: Double
    /// Weight of the recency as a whole; default 0.2.
    public let recency: Double
    /// Within recency, the weight of the last access; default 0.6.
    public let freshness: Double
    /// Within recency, the weight of the creation; default 0.4.
    public let novelty: Double
    /// Days in which the freshness halves; default 7.
    public let halfLifeLastAccessDays: Double
    /// Days in which the novelty halves; default 30.
    public let halfLifeCreatedDays: Double

    /// - Throws: ``MemoryError`` with code `invalidInput` for a weight or a half-life that engines
    ///   cannot compute with; the path names the parameter as REST spells it.
    public init(
        semantic: Double = 0.8, recency: Double = 0.2, freshness: Double = 0.6, novelty: Double = 0.4,
        halfLifeLastAccessDays: Double = 7, halfLifeCreatedDays: Double = 30
    ) throws(MemoryError) {
        for (name, weight) in [
            ("recency_semantic_weight", semantic), ("recency_recency_weight", recency),
            ("recency_freshness_weight", freshness), ("recency_novelty_weight", novelty),
        ] {
            guard abs(weight) <= 1e6, weight == 0 || abs(weight) >= 1e-9 else {
                throw .invalid(name, "\(name) must be 0 or, without its sign, between 1e-9 and 1e6")
            }
        }
        for (name, days) in [
            ("recency_half_life_last_access_days", halfLifeLastAccessDays),
            ("recency_half_life_created_days", halfLifeCreatedDays),
        ] {
            guard (1e-6...1e9).contains(days) else { throw .invalid(name, "\(name) must be between 1e-6 and 1e9 days") }
        }
        self.semantic = semantic
        self.recency = recency
        self.freshness = freshness
        self.novelty = novelty
        self.halfLifeLastAccessDays = halfLifeLastAccessDays
        self.halfLifeCreatedDays = halfLifeCreatedDays
    }

    private init() {
        semantic = 0.8
        recency = 0.2
        freshness = 0.6
        novelty = 0.4
        halfLifeLastAccessDays = 7
        halfLifeCreatedDays = 30
    }

    public static let standard = RecencyWeights()

    /// freshness * 2^(-days since last access / half-life) + novelty * 2^(-days since creation /
    /// half-life); ages below 0 count as 0.
    public func recencyOf(lastAccessed: Timestamp, createdAt: Timestamp, now: Timestamp) -> Double {
        freshness * exp2(-lastAccessed.days(until: now) / halfLifeLastAccessDays)
            + novelty * exp2(-createdAt.days(until: now) / halfLifeCreatedDays)
    }

    /// The rank value of rule S7, which the backend computes over its candidates. The `similarity`
    /// is between 0 and 1 (``DistanceMetric/similarity(ofDistance:)``).
    public func serverSideScore(
        similarity: Double, lastAccessed: Timestamp, createdAt: Timestamp, now: Timestamp
    ) -> Double {
        semantic * similarity
            + recency * recencyOf(lastAccessed: lastAccessed, createdAt: createdAt, now: now)
    }

    /// The rank value by which `recency_boost` re-orders a page: similarity is 1 - distance, and
    /// the recency is limited to the range from 0 to 1.
    public func boostScore(distance: Double, of record: MemoryRecord, now: Timestamp) -> Double {
        let recencyOf = recencyOf(lastAccessed: record.lastAccessed, createdAt: record.createdAt, now: now)
        return semantic * (1 - distance) + recency * min(1, max(0, recencyOf))
    }
}
