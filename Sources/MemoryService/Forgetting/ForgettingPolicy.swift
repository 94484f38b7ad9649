public import AgentMemory

/// Which memories are forgotten: those that are too old, or not accessed for too long, and of the
/// others all except the best by recency.
///
/// ref: section "forget" of the reference's long-term memory; ages below 0 count as 0.
public struct ForgettingPolicy: Sendable, Equatable {
    /// Why a memory is forgotten.
    public enum Reason: String, Sendable, CaseIterable {
        case age = "max_age_days"
        case inactivity = "max_inactive_days"
        /// Both limits are set, and both are exceeded.
        case ageAndInactivity = "max_age_days and max_inactive_days"
        /// Both limits are set, and the age exceeds its limit many times.
        case hardAge = "max_age_days times hard_age_multiplier"
        /// There are enough memories that are more recent.
        case budget
    }

    /// Days since the creation after which a memory is forgotten; `nil` means any age.
    public var maximumAgeDays: Double?
    /// Days since the last access after which a memory is forgotten; `nil` means any
    /// number.
    public var maximumInactiveDays: Double?
    /// If both limits are set, only a memory that exceeds both is forgotten, or one whose age is
    /// this many times the maximum; default 12.
    public var hardAgeMultiplier: Double
    /// How many memories remain of those that the other limits leave; `nil` is all of them.
    public var budget: Int?
    /// The memory types that may be forgotten, as REST spells them; `nil` is all of them.
    public var types: Set<String>?
    /// Ids that are kept, as pinned memories are; they do not count for the budget.
    public var pinnedIDs: Set<ExactString>

    public init(
        maximumAgeDays: Double? = nil, maximumInactiveDays: Double? = nil, hardAgeMultiplier: Double = 12,
        budget: Int? = nil, types: Set<String>? = nil, pinnedIDs: Set<ExactString> = []
    ) {
        self.maximumAgeDays = maximumAgeDays
        self.maximumInactiveDays = maximumInactiveDays
        self.hardAgeMultiplier = hardAgeMultiplier
        self.budget = budget
        self.types = types
        self.pinnedIDs = pinnedIDs
    }

    /// Whether the memory is kept in any case.
    func protects(_ record: MemoryRecord) -> Bool {
        if record.pinned || pinnedIDs.contains(ExactString(record.id)) { return true }
        return types.map { !$0.contains(record.memoryType.rawValue) } ?? false
    }

    /// The limit that the memory exceeds by itself; `nil` if none.
    func exceededLimit(_ record: MemoryRecord, now: Timestamp) -> Reason? {
        let age = record.createdAt.days(until: now)
        let inactive = record.lastAccessed.days(until: now)
        switch (maximumAgeDays, maximumInactiveDays) {
        case (let oldest?, let idlest?):
            if age > oldest * hardAgeMultiplier { return .hardAge }
            return age > oldest && inactive > idlest ? .ageAndInactivity : nil
        case (let oldest?, nil): return age > oldest ? .age : nil
        case (nil, let idlest?): return inactive > idlest ? .inactivity : nil
        case (nil, nil): return nil
        }
    }
}

/// What a pass has forgotten, or would forget.
public struct ForgettingOutcome: Sendable {
    /// How many memories there were in the scope.
    public let scanned: Int
    /// The ids with their reasons, those that the budget has no place for from the worst on.
    public let forgotten: [(id: String, reason: ForgettingPolicy.Reason)]
    /// The operation that can be undone; `nil` if nothing was written, or the backend keeps no
    /// history.
    public let operation: String?
}
