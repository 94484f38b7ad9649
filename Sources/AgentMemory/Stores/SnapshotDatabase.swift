/// A backend whose records can be read as they were at one moment, all of them or those of a
/// selection. It also takes the vectors of such records with them (``KnownVectors``).
///
/// For other backends the service lists the records, without vectors.
public protocol SnapshotDatabase: MemoryVectorDatabase {
    /// Runs `body` with the selected records. The sessions that `body` reads
    /// (``SnapshotSessions/withSessions(of:_:)``) are those of the same moment if they are in the
    /// same database and this can be had.
    ///
    /// It writes no record, and takes as long as `body` does.
    func withSnapshot<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any RecordSnapshot) async throws -> Value
    ) async throws -> Value
}

/// A store of sessions that can be read one after the other.
public protocol SnapshotSessions: WorkingMemoryStore {
    /// Runs `body` with the selected sessions. It writes nothing.
    func withSessions<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any SessionSnapshot) async throws -> Value
    ) async throws -> Value
}

/// The records of a selection in the order of the bytes of their ids, each once.
public protocol RecordSnapshot: Sendable {
    /// The number of records; `nil` if that is known only at the end.
    func count() async throws -> Int?

    /// The next records, some hundreds at most; none at the end.
    func next() async throws -> [SnapshotRecord]

    /// Whether the records are those of one moment, whatever is written meanwhile.
    var isOfOneMoment: Bool { get }
}

/// The sessions of a selection in the order of ``SessionKey``, each once.
public protocol SessionSnapshot: Sendable {
    /// The number of sessions; `nil` if that is known only at the end.
    func count() async throws -> Int?

    /// The next sessions with all messages; none at the end. Large sessions come in small numbers.
    func next() async throws -> [WorkingMemory]
}

/// A record of a snapshot.
public struct SnapshotRecord: Sendable, Equatable {
    public let record: MemoryRecord
    /// The vector of its text; `nil` if none is requested, or the store has none of its model.
    public let vector: [Float]?

    public init(_ record: MemoryRecord, vector: [Float]? = nil) {
        self.record = record
        self.vector = vector
    }
}
