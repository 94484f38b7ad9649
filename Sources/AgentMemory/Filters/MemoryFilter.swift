/// Which records a call is about: every condition must hold (rule F3). Without a condition it
/// matches every record.
public struct MemoryFilter: Sendable, Equatable {
    public let tags: [TagField: TagCondition]
    public let dates: [DateField: DateCondition]
    /// What the caller may reach, in addition to the conditions. Only an ``AtomicMemoryDatabase``
    /// gets another one than everything.
    public let scope: AccessScope

    public init(
        tags: [TagField: TagCondition] = [:], dates: [DateField: DateCondition] = [:], scope: AccessScope = .everything
    ) {
        self.tags = tags
        self.dates = dates
        self.scope = scope
    }

    /// Every record.
    public static let everything = MemoryFilter()

    public var isEmpty: Bool { tags.isEmpty && dates.isEmpty && scope.isEverything }

    /// The conditions in the order of the fields, so that equal filters make equal query texts.
    public var orderedTags: [(field: TagField, condition: TagCondition)] {
        TagField.allCases.compactMap { field in tags[field].map { (field, $0) } }
    }

    public var orderedDates: [(field: DateField, condition: DateCondition)] {
        DateField.allCases.compactMap { field in dates[field].map { (field, $0) } }
    }

    /// The id, if the filter asks for exactly one record by its id and has no other condition:
    /// backends may read it directly.
    public var soleID: String? {
        guard dates.isEmpty, scope.isEverything, tags.count == 1, let condition = tags[.id], condition.all.count == 1,
            condition.any.isEmpty, condition.none.isEmpty
        else { return nil }
        return condition.all[0]
    }

    /// The meaning of the filter, in plain Swift.
    public func matches(_ record: MemoryRecord) -> Bool {
        scope.contains(record) && tags.allSatisfy { $1.matches($0.values(of: record)) }
            && dates.allSatisfy { $1.matches($0.value(of: record)) }
    }
}
