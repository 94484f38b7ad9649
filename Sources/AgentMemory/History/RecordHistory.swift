/// A backend that keeps what it has stored before: each write of a record makes an event together
/// with the write, or there is neither of them.
///
/// Other backends have no history; what needs one is refused with code `unsupported`.
public protocol RecordHistory: MemoryVectorDatabase {
    /// Whether writes make events at all; they do not with ``HistoryRetention/off``.
    var makesEvents: Bool { get }

    /// The events of one record that a caller with this scope may see
    /// (``MemoryEvent/isWithin(_:)``), newest first.
    func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent>

    /// The first events after `sequence` that a caller with this scope may see, oldest first.
    ///
    /// An event is left out as long as one with a smaller number may still come, so that who
    /// follows the events by their numbers misses none.
    ///
    /// - Parameters:
    ///   - sequence: 0 for the first events.
    ///   - limit: the largest number of events; at least 1.
    ///   - scope: of the caller.
    func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent]

    /// The first events after `sequence` of one operation (``WriteOrigin/operation``) that a caller
    /// with this scope may see, oldest first.
    ///
    /// - Parameters:
    ///   - operation: as its events have it.
    ///   - sequence: 0 for the first events.
    ///   - limit: the largest number of events; at least 1.
    ///   - scope: of the caller.
    func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent]

    /// The numbers of the latest events of these ids, also those that a caller may not
    /// see. An id without events is left out.
    func latestEvents(of ids: [String]) async throws -> [ExactString: Int]

    /// Writes records whole and removes others, if none of them has a later event than its
    /// ``RecordRewrite/latestEvent`` and none belongs to others: all of them or none. Removed ids
    /// are noted as those of a delete.
    ///
    /// - Parameters:
    ///   - rewrites: of different ids.
    ///   - scope: of the caller.
    /// - Returns: the ids that have later events, or a record outside of the scope; if there are
    ///   any, nothing was written.
    func rewrite(_ rewrites: [RecordRewrite], within scope: AccessScope) async throws -> [String]
}

/// How long events are kept.
public enum HistoryRetention: Sendable, Equatable {
    /// No events are written. Those that exist stay until they are too old.
    case off
    case days(Int)

    /// 30 days.
    public static let standard = HistoryRetention.days(30)
}

/// Who writes, for the events of the write. The service sets it around each call of a backend.
public struct WriteOrigin: Sendable, Equatable {
    /// The same for all events of the write.
    public let operation: String
    public let caller: String
    /// The kind of all events; `nil` if each has the kind of its own change.
    public let kind: MemoryEvent.Kind?
    /// Why, for all events.
    public let reason: String?
    /// The ids of removed records, each with that of the record that takes its place.
    public let successors: [ExactString: String]

    /// The same origin, with what takes the place of removed records.
    public func with(successors: [ExactString: String]) -> WriteOrigin {
        WriteOrigin(operation: operation, caller: caller, kind: kind, reason: reason, successors: successors)
    }

    /// The origin of the writes of this task; `nil` outside of the service.
    @TaskLocal public static var current: WriteOrigin?

    /// The origin of the writes of a caller, which is a ``Caller/subject``.
    public init(
        operation: String = ULID.make(), caller: String, kind: MemoryEvent.Kind? = nil, reason: String? = nil,
        successors: [ExactString: String] = [:]
    ) {
        self.operation = operation
        self.caller = caller
        self.kind = kind
        self.reason = reason
        self.successors = successors
    }

    /// As stores take it together with a write.
    public var json: JSONObject {
        var json: JSONObject = ["operation": .string(operation), "caller": .string(caller)]
        if let reason { json["reason"] = .string(reason) }
        if let kind { json["kind"] = .string(kind.rawValue) }
        guard !successors.isEmpty else { return json }
        var ids = JSONObject()
        for (id, successor) in successors.sorted(by: { $0.key < $1.key }) { ids[id.value] = .string(successor) }
        json["successors"] = .object(ids)
        return json
    }

    /// Reads ``json``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    public init(json: JSONObject) throws(MemoryError) {
        let kind = json["kind"]?.stringValue
        guard let operation = json["operation"]?.stringValue, let caller = json["caller"]?.stringValue,
            kind.map({ MemoryEvent.Kind(rawValue: $0) != nil }) ?? true
        else { throw MemoryError(.internalError, "the origin of a write cannot be read") }
        var successors: [ExactString: String] = [:]
        for (id, successor) in json["successors"]?.objectValue?.members ?? [] {
            successors[ExactString(id)] = successor.stringValue
        }
        self.init(
            operation: operation, caller: caller, kind: kind.flatMap(MemoryEvent.Kind.init),
            reason: json["reason"]?.stringValue, successors: successors)
    }

    /// The origin of removing what has expired: one operation for each time that it is done.
    public static var expiry: WriteOrigin { WriteOrigin(caller: "server", reason: "expired") }
}
