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
        /// Reading what the server counts of everyone's requests, and nothing else. Not part of
        /// ``all``: background jobs carry the rights of their caller, and need not carry this one.
        public static let metrics = Rights(rawValue: 8)
    }

    /// What logs call the caller; never a secret.
    public let subject: String
    public let rights: Rights
    /// What it may reach.
    public let scope: AccessScope

    public init(subject: String, scope: AccessScope, rights: Rights) {
        self.subject = subject
        self.scope = scope
        self.rights = rights
    }

    /// A caller with the given rights. `namespaces` and `users` are those that it may reach; `nil`
    /// permits all of them, and records that have none.
    public init(subject: String, namespaces: [String]? = nil, users: [String]? = nil, rights: Rights) {
        self.init(
            subject: subject,
            scope: AccessScope(
                namespaces: namespaces.map(PermittedValues.init(exactly:)) ?? .everything,
                users: users.map(PermittedValues.init(exactly:)) ?? .everything),
            rights: rights)
    }

    /// The caller if there is no access control.
    public static let unrestricted = Caller(subject: "anyone", rights: .all)

    /// Whether it reaches every namespace and every user.
    public var reachesEverything: Bool { scope.isEverything }

    private var namespaces: PermittedValues { scope.namespaces }
    private var users: PermittedValues { scope.users }

    /// - Throws: ``MemoryError`` with code `forbidden`.
    public func require(_ right: Rights) throws(MemoryError) {
        guard rights.isSuperset(of: right) else {
            throw MemoryError(.forbidden, "this caller does not have the right to do that")
        }
    }

    /// Refuses callers that may not see what concerns the whole deployment, such as how many jobs
    /// there are and how often each route is called.
    ///
    /// - Throws: ``MemoryError`` with code `forbidden`.
    public func requireMetrics() throws(MemoryError) {
        guard !rights.isDisjoint(with: [.metrics, .administer]) else {
            throw MemoryError(.forbidden, "this caller does not have the right to read metrics")
        }
        guard reachesEverything else {
            throw MemoryError(.forbidden, "metrics are of every namespace and user, and this caller does not reach all")
        }
    }

    // MARK: Reading

    /// Whether it may reach what belongs to this namespace and user.
    public func reaches(namespace: String?, userID: String?) -> Bool {
        scope.contains(namespace: namespace, userID: userID)
    }

    public func reaches(_ record: MemoryRecord) -> Bool { scope.contains(record) }

    public func reaches(_ key: SessionKey) -> Bool { scope.contains(key) }

    /// The filter, limited to what the caller may see; never wider than it was.
    ///
    /// Made of the operators that every backend takes, for those that know no
    /// ``MemoryFilter/scope``.
    ///
    /// - Returns: `nil` if nothing that matches may be seen.
    /// - Throws: ``MemoryError`` with code `unsupported` if these operators cannot say it, because
    ///   the caller's limits are patterns.
    public func narrowed(_ filter: MemoryFilter) throws(MemoryError) -> MemoryFilter? {
        if reachesEverything { return filter }
        var tags = filter.tags
        for (field, permitted) in scope.limits {
            guard let condition = try permitted.narrowed(tags[field], of: field) else { return nil }
            tags[field] = condition
        }
        return filter.with(tags: tags)
    }

    /// The filter with the caller's limits as its ``MemoryFilter/scope``.
    public func scoped(_ filter: MemoryFilter) -> MemoryFilter {
        filter.with(scope: scope)
    }

    /// The reference with what it leaves open filled in, where only one value is permitted.
    public func narrowed(_ reference: SessionReference) throws(MemoryError) -> SessionReference {
        try SessionReference(
            sessionID: reference.sessionID, namespace: reference.namespace ?? namespaces.only,
            userID: reference.userID ?? users.only)
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
        func isSame(_ a: String?, _ b: String?) -> Bool { a.map(ExactString.init) == b.map(ExactString.init) }
        if isSame(owner.namespace, record.namespace), isSame(owner.userID, record.userID) { return record }
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

extension Caller {
    /// The caller as background jobs carry it.
    public var json: JSONObject {
        var object = scope.json
        object["subject"] = .string(subject)
        object["rights"] = .array(rights.names.map { .string($0) })
        return object
    }

    /// Reads ``json``.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` for anything else.
    public init(json: JSONObject) throws(MemoryError) {
        guard let subject = json["subject"]?.stringValue else { throw .invalid("subject", "subject must be a text") }
        guard let rights = json["rights"]?.stringsValue else { throw .invalid("rights", "rights must be a list") }
        self.init(
            subject: subject, scope: try AccessScope(json: json), rights: try Rights(names: rights))
    }
}
