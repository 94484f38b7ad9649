/// A backend that keeps what it has stored before: each write of a record makes an event together
/// with the write, or there is neither of them.
///
/// Other backends have no history; what needs one is refused with code `unsupported`.
public protocol RecordHistory: MemoryVectorDatabase {
    /// The events of one record that a caller with this scope may see
    /// (``MemoryEvent/isWithin(_:)``), newest first.
    func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent>

    /// The first events after `sequence` that a caller with this scope may see, oldest first.
    ///
    /// An event is left out as long as one with a smaller number may still come, so that who
    /// follows the events by their numbers misses none.
    ///
    /// - Parameter limit: the largest number of events; at least 1.
    func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent]
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

    /// The origin of the writes of this task; `nil` outside of the service.
    @TaskLocal public static var current: WriteOrigin?

    /// - Parameter caller: the ``Caller/subject``.
    public init(operation: String = ULID.make(), caller: String, kind: MemoryEvent.Kind? = nil, reason: String? = nil) {
        self.operation = operation
        self.caller = caller
        self.kind = kind
        self.reason = reason
    }
}
