/// The namespaces and users whose records and sessions a caller may reach; both must be permitted.
public struct AccessScope: Sendable, Equatable {
    public let namespaces: PermittedValues
    public let users: PermittedValues

    public init(namespaces: PermittedValues = .everything, users: PermittedValues = .everything) {
        self.namespaces = namespaces
        self.users = users
    }

    public static let everything = AccessScope()

    public var isEverything: Bool { namespaces.isEverything && users.isEverything }

    /// Whether there is nothing that it could contain.
    public var permitsNothing: Bool { namespaces.permitsNothing || users.permitsNothing }

    /// The fields that are limited, with what they may be.
    public var limits: [(field: TagField, values: PermittedValues)] {
        [(TagField.namespace, namespaces), (.userID, users)].filter { !$0.1.isEverything }
    }

    public func contains(namespace: String?, userID: String?) -> Bool {
        namespaces.contains(namespace) && users.contains(userID)
    }

    public func contains(_ record: MemoryRecord) -> Bool {
        contains(namespace: record.namespace, userID: record.userID)
    }

    public func contains(_ key: SessionKey) -> Bool {
        contains(namespace: key.namespace, userID: key.userID)
    }

    /// What a write is refused with that would replace a record outside of the scope.
    public static var conflict: MemoryError {
        MemoryError(.conflict, "an id of the request belongs to another namespace or user")
    }
}

extension AccessScope {
    /// `{"namespaces": […], "user_ids": […]}` with patterns, as stores and jobs keep it.
    public var json: JSONObject {
        [
            "namespaces": .array(namespaces.patterns.map { .string($0) }),
            "user_ids": .array(users.patterns.map { .string($0) }),
        ]
    }

    /// Reads ``json``.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` for anything else: what cannot be read
    ///   permits nothing.
    public init(json: JSONObject) throws(MemoryError) {
        func patterns(_ name: String) throws(MemoryError) -> PermittedValues {
            guard let values = json[name]?.arrayValue else { throw .invalid(name, "\(name) must be a list") }
            let texts = values.compactMap(\.stringValue)
            guard texts.count == values.count else { throw .invalid(name, "\(name) must be a list of texts") }
            // No pattern permits nothing, as a caller may be made in a program.
            return texts.isEmpty ? PermittedValues(exactly: []) : try PermittedValues(patterns: texts, field: name)
        }
        self.init(namespaces: try patterns("namespaces"), users: try patterns("user_ids"))
    }
}
