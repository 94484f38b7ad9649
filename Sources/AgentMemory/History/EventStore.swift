/// Keeps the events of a backend that makes none itself, and what is being written to it.
///
/// A write is open from ``open(_:keys:for:)`` to ``end(_:events:)``, and holds its keys meanwhile:
/// no two open writes of any process have a key in common. Before the backend is called, the write
/// notes what is stored (``note(_:of:for:)``); at its end its events get their numbers. So a write
/// whose process died is found, and what it did can be seen by comparing.
///
/// A write whose time is over is overdue, and may be taken over; from then on its earlier holder
/// cannot end it. Times are those of the store's own clock.
///
/// ``Store/health()`` has the component `history`. All calls may run at the same time, from several
/// processes; each is atomic. Every failure is a ``MemoryError``.
public protocol EventStore: Store {
    /// Whether writes make events at all; they do not with ``HistoryRetention/off``.
    var makesEvents: Bool { get }

    /// As ``RecordHistory/events(of:within:page:)``.
    func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent>

    /// As ``RecordHistory/events(after:limit:within:)``.
    func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent]

    /// As ``RecordHistory/events(ofOperation:after:limit:within:)``.
    func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent]

    /// As ``RecordHistory/latestEvents(of:)``.
    func latestEvents(of ids: [String]) async throws -> [ExactString: Int]

    /// Appends events that belong to no write.
    func append(_ events: [NewEvent]) async throws

    // MARK: Writes

    /// Opens a write, which holds all of these keys or none.
    ///
    /// - Parameters:
    ///   - lease: a new one.
    ///   - keys: each once.
    ///   - duration: when the write is overdue, from now.
    /// - Returns: `nil` if it is open now; else the open writes that have one of the keys, which
    ///   may have ended since.
    func open(_ lease: WriteLease, keys: [String], for duration: Duration) async throws -> [OpenWrite]?

    /// Notes what a write is about to change, before it does, and extends it.
    ///
    /// - Returns: `false`, noting nothing, if the lease is not the one of the write any more.
    func note(_ intent: WriteIntent, of lease: WriteLease, for duration: Duration) async throws -> Bool

    /// Lets the write be overdue only after `duration` from now.
    ///
    /// - Returns: `false` if the lease is not the one of the write any more.
    func extend(_ lease: WriteLease, for duration: Duration) async throws -> Bool

    /// Ends a write: its keys are free, and its events get their numbers, in one step.
    ///
    /// - Returns: `false`, doing nothing, if the lease is not the one of the write any more.
    func end(_ lease: WriteLease, events: [NewEvent]) async throws -> Bool

    /// Takes over an overdue write.
    ///
    /// - Parameters:
    ///   - lease: the write, with its new holder.
    ///   - duration: when it is overdue again, from now.
    /// - Returns: the write; `nil` if it has ended, or is not overdue.
    func takeOver(_ lease: WriteLease, for duration: Duration) async throws -> TakenWrite?

    /// The open writes of a selection.
    func openWrites(_ selection: OpenWriteSelection) async throws -> [OpenWrite]

    // MARK: Erasure

    /// Removes the events of these ids that show a state within the scope, whatever its session.
    ///
    /// - Returns: how many there were.
    func eraseEvents(of ids: [String], within scope: ErasureScope) async throws -> Int

    /// Looks at some events after a number, and removes all events of the ids that they show within
    /// the scope, as ``ErasableDatabase/erase(_:from:)`` says.
    ///
    /// - Returns: what was found; with ``EventErasure/last`` `nil` no events are left to look at.
    func eraseEvents(within scope: ErasureScope, after sequence: Int) async throws -> EventErasure
}

/// A write with the one who may end it.
public struct WriteLease: Sendable, Equatable {
    /// Of the write.
    public let id: String
    public let holder: String

    public init(id: String = ULID.make(), holder: String = ULID.make()) {
        self.id = id
        self.holder = holder
    }
}

/// A write that has not ended.
public struct OpenWrite: Sendable, Equatable {
    public let id: String
    /// Whether it may be taken over.
    public let isOverdue: Bool

    public init(id: String, isOverdue: Bool) {
        self.id = id
        self.isOverdue = isOverdue
    }
}

/// A selection of open writes.
public enum OpenWriteSelection: Sendable {
    /// Those that have noted what they change.
    case noted
    /// Of ``noted``, those that hold one of the keys.
    case keys([String])
    /// Of ``noted``, those of an operation.
    case operation(String)
    /// Those that may be taken over.
    case overdue
}

/// An overdue write that was taken over.
public struct TakenWrite: Sendable {
    /// What it had noted; `nil` if it had not come that far, and so has changed nothing.
    public let intent: WriteIntent?

    public init(intent: WriteIntent?) {
        self.intent = intent
    }
}

/// What one step of an erasure of events has done.
public struct EventErasure: Sendable {
    /// The number of the last event looked at; `nil` if there was none.
    public let last: Int?
    /// How many events were removed.
    public let removed: Int
    /// Their ids, each once.
    public let ids: [String]

    public init(last: Int?, removed: Int, ids: [String]) {
        self.last = last
        self.removed = removed
        self.ids = ids
    }
}
