/// The values that a caller may reach in one field that has one value: some values, what has one of
/// some prefixes, or everything.
public struct PermittedValues: Sendable, Equatable {
    /// In the order given; `nil` is everything.
    private let values: [String]?
    private let prefixesGiven: [String]
    private let exact: Set<ExactString>

    /// Every value, and the absence of one.
    public static let everything = PermittedValues(values: nil, prefixes: [])

    private init(values: [String]?, prefixes: [String]) {
        self.values = values?.exactlyDistinct()
        prefixesGiven = prefixes.exactlyDistinct()
        exact = Set((values ?? []).map(ExactString.init))
    }

    /// These values and no others; none of them permits nothing.
    public init(exactly values: [String]) {
        self.init(values: values, prefixes: [])
    }

    /// Reads patterns: `*` is everything, `team-*` every value with that prefix, anything else the
    /// value itself.
    ///
    /// - Parameters:
    ///   - patterns: at least one.
    ///   - field: what errors call the field.
    /// - Throws: ``MemoryError`` with code `invalidInput` for no pattern, or one that no value has.
    public init(patterns: [String], field: String) throws(MemoryError) {
        guard !patterns.isEmpty else { throw .invalid(field, "\(field) must name at least one value, or *") }
        var values: [String] = []
        var prefixes: [String] = []
        var isEverything = false
        for pattern in patterns {
            let isPrefix = pattern.utf8.last == UInt8(ascii: "*")
            if isPrefix, pattern.utf8.count == 1 {
                isEverything = true
                continue
            }
            let text = isPrefix ? String(pattern.unicodeScalars.dropLast()) : pattern
            guard !text.utf8.contains(UInt8(ascii: "*")) else {
                throw .invalid(field, "\(field): a * stands at the end of a pattern only")
            }
            guard let value = try FieldRules.tag(text, field: field), ExactString(value) == ExactString(text) else {
                throw .invalid(field, "\(field): a pattern must not be empty, nor begin or end with a blank")
            }
            if isPrefix { prefixes.append(value) } else { values.append(value) }
        }
        self = isEverything ? .everything : PermittedValues(values: values, prefixes: prefixes)
    }

    /// The patterns that ``init(patterns:field:)`` reads.
    public var patterns: [String] { isEverything ? ["*"] : exactValues + prefixes.map { $0 + "*" } }

    /// The values that are permitted by themselves; none if everything is.
    public var exactValues: [String] { values ?? [] }
    /// What other permitted values may begin with; none if everything is permitted.
    public var prefixes: [String] { isEverything ? [] : prefixesGiven }

    public static func == (a: PermittedValues, b: PermittedValues) -> Bool {
        a.isEverything == b.isEverything && a.exact == b.exact
            && Set(a.prefixes.map(ExactString.init)) == Set(b.prefixes.map(ExactString.init))
    }

    public var isEverything: Bool { values == nil }

    public var permitsNothing: Bool { values?.isEmpty == true && prefixesGiven.isEmpty }

    /// The value, if there is only one.
    public var only: String? { prefixesGiven.isEmpty && values?.count == 1 ? values?[0] : nil }

    /// The absence of a value is permitted with everything only.
    public func contains(_ value: String?) -> Bool {
        guard values != nil else { return true }
        guard let value else { return false }
        return exact.contains(ExactString(value)) || prefixesGiven.contains { value.utf8.starts(with: $0.utf8) }
    }

    /// The value, or the only one permitted in its place.
    ///
    /// - Throws: ``MemoryError`` with this code if there is no value, and several are permitted.
    func completed(_ value: String?, _ name: String, code: MemoryError.Code) throws(MemoryError) -> String? {
        if let value { return value }
        if isEverything { return nil }
        guard let only else {
            throw MemoryError(code, "\(name) must be given: this caller has several", path: [.key(name)])
        }
        return only
    }

    /// The condition, limited to what is permitted; `nil` if no permitted value fulfils it. Made of
    /// the operators that every backend takes: `eq` stays where it was, everything else becomes a
    /// list of values or one prefix.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` if these operators cannot say it.
    func narrowed(_ condition: TagCondition?, of field: TagField) throws(MemoryError) -> TagCondition? {
        if isEverything { return condition }
        if let condition, !condition.all.isEmpty {
            return condition.all.allSatisfy { contains($0) && condition.matches([$0]) } ? condition : nil
        }
        if let given = condition?.any.first {
            return try list(given.filter { contains($0) && condition?.matches([$0]) ?? true }, field)
        }
        let listed = exactValues.filter { condition?.matches([$0]) ?? true }
        if prefixes.isEmpty { return try list(listed, field) }
        if let begin = condition?.startsWith {
            if prefixes.contains(where: { begin.utf8.starts(with: $0.utf8) }) { return condition }
            let longer = prefixes.filter { $0.utf8.starts(with: begin.utf8) }
            if longer.isEmpty { return try list(listed, field) }
            if longer.count == 1, listed.isEmpty { return try TagCondition(field: field, startsWith: longer[0]) }
        } else if condition == nil, prefixes.count == 1, listed.isEmpty {
            return try TagCondition(field: field, startsWith: prefixes[0])
        }
        throw MemoryError(
            .unsupported,
            "this backend cannot limit a search to this caller's patterns: name the \(field.rawValue) with eq or any",
            path: [.key(field.rawValue)])
    }

    private func list(_ values: [String], _ field: TagField) throws(MemoryError) -> TagCondition? {
        values.isEmpty ? nil : try TagCondition(field: field, any: values)
    }
}
