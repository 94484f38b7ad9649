/// Who a request is from, and what it may reach: the one place that decides it.
///
/// What a caller may not see does not exist for it: filters are narrowed, ids of others' records
/// are not found. What it may not write is refused. Without limits (``unrestricted``) every request
/// stays as it is.
public struct Caller: Sendable, Equatable {
    /// What a caller may do with what it may reach.
    public struct Rights: OptionSet, Sendable {
        public let rawValue: Int

        public init(rawValue: Int) {
            self.rawValue = rawValue
        }

        public static let read = Rights(rawValue: 1)
        /// Storing, changing and deleting.
        public static let write = Rights(rawValue: 2)
        /// What concerns the whole store rather than one owner's part of it.
        public static let administer = Rights(rawValue: 4)
        public static let all: Rights = [.read, .write, .administer]
    }

    /// What logs call the caller; never a secret.
    public let subject: String
    public let rights: Rights
    private let namespaces: PermittedValues
    private let users: PermittedValues

    /// A caller with the given rights. `namespaces` and `users` are those that it may reach; `nil`
    /// permits all of them, and records that have none.
    public init(subject: String, namespaces: [String]? = nil, users: [String]? = nil, rights: Rights) {
        self.subject = subject
        self.rights = rights
        self.namespaces = PermittedValues(namespaces)
        self.users = PermittedValues(users)
    }

    /// The caller if there is no access control.
    public static let unrestricted = Caller(subject: "anyone", rights: .all)

    /// Whether it reaches every namespace and every user.
    public var reachesEverything: Bool { namespaces.isEverything && users.isEverything }

    /// - Throws: ``MemoryError`` with code `forbidden`.
    public func require(_ right: Rights) throws(MemoryError) {
        guard rights.isSuperset(of: right) else {
            throw MemoryError(.forbidden, "this caller does not have the right to do that")
        }
    }

    // MARK: Reading

    /// Whether it may reach what belongs to this namespace and user.
    public func reaches(namespace: String?, userID: String?) -> Bool {
        namespaces.contains(namespace) && users.contains(userID)
    }

    public func reaches(_ record: MemoryRecord) -> Bool {
        reaches(namespace: record.namespace, userID: record.userID)
    }

    public func reaches(_ key: SessionKey) -> Bool {
        reaches(namespace: key.namespace, userID: key.userID)
    }

    /// The filter, limited to what the caller may see; never wider than it was.
    ///
    /// - Returns: `nil` if nothing that matches may be seen.
    public func narrowed(_ filter: MemoryFilter) throws(MemoryError) -> MemoryFilter? {
        if reachesEverything { return filter }
        var tags = filter.tags
        for (field, permitted) in [(TagField.namespace, namespaces), (.userID, users)] where !permitted.isEverything {
            guard let condition = try permitted.narrowed(tags[field], of: field) else { return nil }
            tags[field] = condition
        }
        return MemoryFilter(tags: tags, dates: filter.dates)
    }

    /// The reference with what it leaves open filled in, where only one value is permitted.
    public func narrowed(_ reference: SessionReference) throws(MemoryError) -> SessionReference {
        try SessionReference(
            sessionID: reference.sessionID, namespace: reference.namespace ?? namespaces.only,
            userID: reference.userID ?? users.only)
    }

    /// Namespace and user of a list that can be limited to one of each only.
    ///
    /// - Returns: `nil` if the caller may not see what is asked for.
    /// - Throws: ``MemoryError`` with code `invalidInput` if a part is absent and several values
    ///   are permitted.
    public func narrowed(namespace: String?, userID: String?) throws(MemoryError) -> (
        namespace: String?, userID: String?
    )? {
        let namespace = try namespaces.completed(namespace, "namespace", code: .invalidInput)
        let userID = try users.completed(userID, "user_id", code: .invalidInput)
        return reaches(namespace: namespace, userID: userID) ? (namespace, userID) : nil
    }

    // MARK: Writing

    /// The record as it may be written: without a namespace or user it gets the only one that is
    /// permitted.
    ///
    /// - Throws: ``MemoryError`` with code `forbidden` if it would belong to what the caller does
    ///   not reach.
    public func completed(_ record: MemoryRecord) throws(MemoryError) -> MemoryRecord {
        if reachesEverything { return record }
        let owner = try completed(namespace: record.namespace, userID: record.userID)
        guard owner.namespace != record.namespace || owner.userID != record.userID else { return record }
        var record = record
        record.apply(try RecordChanges(userID: .set(owner.userID), namespace: .set(owner.namespace)))
        return record
    }

    /// The key of a session as it may be written; as ``completed(_:)-(MemoryRecord)``.
    public func completed(_ key: SessionKey) throws(MemoryError) -> SessionKey {
        if reachesEverything { return key }
        let owner = try completed(namespace: key.namespace, userID: key.userID)
        return try SessionKey(sessionID: key.sessionID, namespace: owner.namespace, userID: owner.userID)
    }

    private func completed(namespace: String?, userID: String?) throws(MemoryError) -> (
        namespace: String?, userID: String?
    ) {
        let owner = (
            namespace: try namespaces.completed(namespace, "namespace", code: .forbidden),
            userID: try users.completed(userID, "user_id", code: .forbidden)
        )
        guard reaches(namespace: owner.namespace, userID: owner.userID) else {
            throw MemoryError(.forbidden, "this caller may not write to that namespace or user")
        }
        return owner
    }

    /// Refuses changes that would move a record to what the caller does not reach.
    ///
    /// - Throws: ``MemoryError`` with code `forbidden`.
    public func check(_ changes: RecordChanges) throws(MemoryError) {
        func permits(_ change: FieldChange<String?>, _ permitted: PermittedValues) -> Bool {
            switch change {
            case .unchanged: true
            case .set(let value): permitted.contains(value)
            }
        }
        guard permits(changes.namespace, namespaces), permits(changes.userID, users) else {
            throw MemoryError(.forbidden, "this caller may not move a memory to that namespace or user")
        }
    }
}

/// The values that a caller may reach in one field that has one value.
private struct PermittedValues: Sendable, Equatable {
    /// In the order given; `nil` is all.
    private let values: [String]?
    private let exact: Set<ExactString>

    init(_ values: [String]?) {
        self.values = values?.exactlyDistinct()
        exact = Set((values ?? []).map(ExactString.init))
    }

    static func == (a: PermittedValues, b: PermittedValues) -> Bool {
        a.isEverything == b.isEverything && a.exact == b.exact
    }

    var isEverything: Bool { values == nil }

    /// The value, if there is only one.
    var only: String? { values?.count == 1 ? values?[0] : nil }

    /// A record without a value in the field is in reach only of a caller without limits.
    func contains(_ value: String?) -> Bool {
        guard values != nil else { return true }
        return value.map { exact.contains(ExactString($0)) } ?? false
    }

    /// The value, or the only one permitted in its place.
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
    /// list of values.
    func narrowed(_ condition: TagCondition?, of field: TagField) throws(MemoryError) -> TagCondition? {
        let left = (values ?? []).filter { condition?.matches([$0]) ?? true }
        guard !left.isEmpty else { return nil }
        if let condition, !condition.all.isEmpty { return condition }
        return try TagCondition(field: field, any: left)
    }
}
