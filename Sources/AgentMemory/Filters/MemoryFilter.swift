/// Which records a call is about: every condition must hold (rule F3). Without a condition it
/// matches every record.
public struct MemoryFilter: Sendable, Equatable {
    public let tags: [TagField: TagCondition]
    public let dates: [DateField: DateCondition]

    public init(tags: [TagField: TagCondition] = [:], dates: [DateField: DateCondition] = [:]) {
        self.tags = tags
        self.dates = dates
    }

    /// Every record.
    public static let everything = MemoryFilter()

    public var isEmpty: Bool { tags.isEmpty && dates.isEmpty }

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
        guard dates.isEmpty, tags.count == 1, let condition = tags[.id], condition.all.count == 1,
            condition.any.isEmpty, condition.none.isEmpty
        else { return nil }
        return condition.all[0]
    }

    /// The meaning of the filter, in plain Swift.
    public func matches(_ record: MemoryRecord) -> Bool {
        tags.allSatisfy { $1.matches($0.values(of: record)) } && dates.allSatisfy { $1.matches($0.value(of: record)) }
    }
}
