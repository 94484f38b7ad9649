/// Whose texts may be sent to language models, by their namespaces, which are compared byte by
/// byte: the one place that decides it.
///
/// What it does not contain is treated as by a server without a language model.
public struct LanguageReach: Sendable, Equatable {
    private enum Rule: Sendable, Equatable {
        case everything
        case only(PermittedValues)
        /// In the order given.
        case except([String], Set<ExactString>)
    }

    private let rule: Rule

    private init(_ rule: Rule) {
        self.rule = rule
    }

    /// All texts.
    public static let everything = LanguageReach(.everything)

    /// The texts of these namespaces; none of texts without a namespace.
    public static func only(_ namespaces: [String]) -> LanguageReach {
        LanguageReach(.only(PermittedValues(exactly: namespaces)))
    }

    /// All texts except those of these namespaces.
    public static func everything(except namespaces: [String]) -> LanguageReach {
        LanguageReach(.except(namespaces.exactlyDistinct(), Set(namespaces.map(ExactString.init))))
    }

    /// Whether texts of a namespace may be sent; `nil` for those without one.
    public func contains(_ namespace: String?) -> Bool {
        switch rule {
        case .everything: true
        case .only(let permitted): permitted.contains(namespace)
        case .except(_, let excluded): namespace.map { !excluded.contains(ExactString($0)) } ?? true
        }
    }

    /// Whether a request holds no other texts.
    public func contains(_ request: LanguageRequest) -> Bool {
        request.textNamespaces.allSatisfy { contains($0?.value) }
    }

    // MARK: Filters

    /// What a filter on the namespace matches of the texts that may be sent.
    public enum Narrowed: Sendable, Equatable {
        /// Nothing that may be sent.
        case nothing
        /// What fulfils this condition; `nil` for everything. Operators cannot leave namespaces out
        /// of those with a prefix: then ``LanguageReach/contains(_:)-(String?)`` decides about what
        /// is found.
        case condition(TagCondition?)
    }

    /// A filter on the namespace, limited to the texts that may be sent, in the operators that
    /// every backend takes.
    ///
    /// - Parameter condition: of the namespace; `nil` for no filter.
    /// - Throws: ``MemoryError`` with code `invalidInput` for a namespace that no record can have.
    public func narrowed(_ condition: TagCondition?) throws(MemoryError) -> Narrowed {
        switch rule {
        case .everything: return .condition(condition)
        case .only(let permitted):
            guard let left = try permitted.narrowed(condition, of: .namespace) else { return .nothing }
            return .condition(left)
        case .except(let excluded, _):
            guard let condition else { return .condition(try TagCondition(field: .namespace, none: excluded)) }
            if !condition.all.isEmpty {
                return condition.all.allSatisfy({ contains($0) }) ? .condition(condition) : .nothing
            }
            if let given = condition.any.first {
                let left = given.filter { contains($0) && condition.matches([$0]) }
                return left.isEmpty ? .nothing : .condition(try TagCondition(field: .namespace, any: left))
            }
            if condition.startsWith != nil { return .condition(condition) }
            return .condition(try TagCondition(field: .namespace, none: condition.none + excluded))
        }
    }

    /// The namespaces of a text that is about all records that a filter leaves, such as a query, if
    /// it may be sent: only if every record that could be among them has a namespace whose texts
    /// are sent.
    ///
    /// - Parameters:
    ///   - condition: the filter on the namespace; `nil` for none.
    ///   - permitted: the namespaces that the caller may reach.
    /// - Returns: for ``LanguageRequest``; `nil` if the text may not be sent.
    public func namespaces(
        ofTextAbout condition: TagCondition?, within permitted: PermittedValues
    ) -> [String?]? {
        if rule == .everything { return [nil] }
        if let named = Self.named(condition, permitted) {
            guard !named.isEmpty, named.allSatisfy({ contains($0) }) else { return nil }
            return named.map(Optional.some)
        }
        guard case .except(let excluded, _) = rule else { return nil }
        let isAbout = excluded.contains { permitted.contains($0) && condition?.matches([$0]) ?? true }
        return isAbout ? nil : [nil]
    }

    /// The namespaces that a filter leaves, if these are known one by one.
    private static func named(_ condition: TagCondition?, _ permitted: PermittedValues) -> [String]? {
        if let condition, !condition.all.isEmpty { return condition.all }
        func isLeft(_ namespace: String) -> Bool {
            permitted.contains(namespace) && condition?.matches([namespace]) ?? true
        }
        if let given = condition?.any.first { return given.filter(isLeft) }
        guard !permitted.isEverything, permitted.prefixes.isEmpty else { return nil }
        return permitted.exactValues.filter(isLeft)
    }
}
