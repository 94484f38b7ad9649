/// One change of a stored memory, as a history keeps it. It never has vectors.
public struct MemoryEvent: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// There was no record under the id.
        case added
        /// The whole record was written in place of another one.
        case replaced
        /// Single fields were changed.
        case changed
        case deleted
        /// The record was united with others of equal meaning: changed, or removed.
        case merged
        /// The record was removed by a rule.
        case forgotten
        /// The record was written by an import.
        case imported
        /// The record was written, or removed, as it had been before.
        case restored
        /// Everything of a user, a namespace or a session was removed, events included. The id of
        /// the event stands for that scope, and no record has it.
        case erased
    }

    /// The place in the order of all events of the store: larger for later changes of a record.
    public let sequence: Int
    /// By the clock of the store.
    public let time: Timestamp
    public let kind: Kind
    /// The id of the record.
    public let id: String
    /// The owner after the change; before it, if the record was deleted.
    public let namespace: String?
    /// As ``namespace``.
    public let userID: String?
    /// The same for all events of one write.
    public let operation: String
    /// Who made the change (``Caller/subject``); `nil` for another program.
    public let caller: String?
    /// Why, if the operation says so.
    public let reason: String?
    /// The id of the record that took the place of this one, if it was removed in favour of
    /// another.
    public let successor: String?
    /// What the record was before, in the API's spelling: the fields that the change has changed,
    /// or all of them if the record was deleted; `nil` if there was no record.
    public let before: JSONObject?

    public init(
        sequence: Int, time: Timestamp, kind: Kind, id: String, namespace: String?, userID: String?,
        operation: String, caller: String?, reason: String? = nil, successor: String? = nil, before: JSONObject?
    ) {
        self.sequence = sequence
        self.time = time
        self.kind = kind
        self.id = id
        self.namespace = namespace
        self.userID = userID
        self.operation = operation
        self.caller = caller
        self.reason = reason
        self.successor = successor
        self.before = before
    }

    /// Whether a caller with this scope may see the event: it reaches the owner after the change
    /// and the one before it, because the event shows both.
    public func isWithin(_ scope: AccessScope) -> Bool {
        guard scope.contains(namespace: namespace, userID: userID) else { return false }
        return scope.contains(
            namespace: before?["namespace"].map(\.stringValue) ?? namespace,
            userID: before?["user_id"].map(\.stringValue) ?? userID)
    }

    /// Whether the change removed the record: only then the event has all fields.
    public var isRemoval: Bool { before?["id"] != nil }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("sequence", sequence)
            writer.member("time", time.iso8601)
            writer.member("kind", kind.rawValue)
            writer.member("id", id)
            writer.member("namespace", namespace)
            writer.member("user_id", userID)
            writer.member("operation", operation)
            writer.member("caller", caller)
            writer.member("reason", reason)
            if let successor { writer.member("successor", successor) }
            writer.name("before")
            writer.value(before.map(JSONValue.object) ?? .null)
        }
    }

    public static func == (a: MemoryEvent, b: MemoryEvent) -> Bool {
        func bytes(_ event: MemoryEvent) -> [UInt8] {
            var writer = JSONWriter()
            event.write(to: &writer)
            return writer.bytes
        }
        return bytes(a) == bytes(b)
    }
}

extension MemoryEvent {
    /// The record before the change.
    ///
    /// - Parameter record: as it was after the change; `nil` if there was none.
    public func undone(from record: JSONObject?) -> JSONObject? {
        guard let before else { return nil }
        guard var record else { return before }
        for (name, value) in before.members {
            let isAbsent = name == RecordField.expiresAt.name && value == .null
            record[name] = isAbsent ? JSONValue?.none : value
        }
        return record
    }
}

extension MemoryRecord {
    /// All fields in the API's spelling.
    public var jsonObject: JSONObject {
        // What this type has written can be read.
        (try? JSONValue(parsing: json.bytes).objectValue) ?? [:]
    }

    /// The fields that a change to `after` changes, as they are here; `nil` if it changes none but
    /// the statistics of accesses, which make no event.
    public func fieldsBeforeChange(to after: MemoryRecord) -> JSONObject? {
        let (old, new) = (jsonObject, after.jsonObject)
        var changed = JSONObject()
        var isEvent = false
        for field in RecordField.allCases {
            // A record without a date of expiry has no such member.
            let (value, later) = (old[field.name] ?? .null, new[field.name] ?? .null)
            guard value.jsonText != later.jsonText else { continue }
            changed[field.name] = value
            if !Self.statistics.contains(field) { isEvent = true }
        }
        return isEvent ? changed : nil
    }

    /// The fields of which a change alone makes no event.
    public static let statistics: [RecordField] = [.lastAccessed, .accessCount]
}
