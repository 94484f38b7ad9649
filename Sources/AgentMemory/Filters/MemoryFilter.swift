/// Which records a call is about: every condition must hold (rule F3). Without a condition it
/// matches every record.
public struct MemoryFilter: Sendable, Equatable {
    public let tags: [TagField: TagCondition]
    public let dates: [DateField: DateCondition]
    /// At most one for each key, by the bytes of the keys.
    public let metadata: [MetadataCondition]
    /// What the caller may reach, in addition to the conditions. Only an ``AtomicMemoryDatabase``
    /// gets another one than everything.
    public let scope: AccessScope

    /// - Parameters:
    ///   - tags: by field.
    ///   - dates: by field.
    ///   - metadata: one for each key.
    ///   - scope: everything unless limited.
    public init(
        tags: [TagField: TagCondition] = [:], dates: [DateField: DateCondition] = [:],
        metadata: [MetadataCondition] = [], scope: AccessScope = .everything
    ) {
        self.tags = tags
        self.dates = dates
        self.metadata = metadata.sorted { ExactString($0.key) < ExactString($1.key) }
        self.scope = scope
    }

    /// The same conditions with these on tags and dates, and this scope.
    public func with(
        tags: [TagField: TagCondition]? = nil, dates: [DateField: DateCondition]? = nil, scope: AccessScope? = nil
    ) -> MemoryFilter {
        MemoryFilter(
            tags: tags ?? self.tags, dates: dates ?? self.dates, metadata: metadata, scope: scope ?? self.scope)
    }

    /// Every record.
    public static let everything = MemoryFilter()

    public var isEmpty: Bool { tags.isEmpty && dates.isEmpty && metadata.isEmpty && scope.isEverything }

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
        guard dates.isEmpty, metadata.isEmpty, scope.isEverything, tags.count == 1, let condition = tags[.id],
            condition.all.count == 1, condition.any.isEmpty, condition.none.isEmpty
        else { return nil }
        return condition.all[0]
    }

    /// The meaning of the filter, in plain Swift.
    public func matches(_ record: MemoryRecord) -> Bool {
        scope.contains(record) && tags.allSatisfy { $1.matches($0.values(of: record)) }
            && dates.allSatisfy { $1.matches($0.value(of: record)) }
            && metadata.allSatisfy { $0.matches(record.metadata[$0.key]) }
    }
}
