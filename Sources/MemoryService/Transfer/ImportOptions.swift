/// How an import treats what it reads.
public struct ImportOptions: Sendable, Equatable {
    /// What is done with a record or a session whose identity is stored already.
    public enum Existing: String, Sendable, CaseIterable {
        /// What is stored stays: an import that was interrupted is repeated so.
        case skip
        case replace
        /// The import stops before the batch that has it.
        case refuse
    }

    public var existing = Existing.refuse
    /// Whether the vectors of the export are stored; otherwise the model of this server makes all
    /// vectors.
    public var keepsVectors = false
    /// Whether records get new ids, the same ones each time that the same export is imported.
    public var makesNewIDs = false
    /// Whether everything is read and checked, and nothing written.
    public var isDryRun = false

    public init() {}
}

/// What an import has done.
public struct ImportOutcome: Sendable, Equatable {
    /// How many of one kind.
    public struct Counts: Sendable, Equatable {
        public internal(set) var added = 0
        public internal(set) var replaced = 0
        public internal(set) var skipped = 0

        public var all: Int { added + replaced + skipped }
    }

    /// The operation of all events of the import, which can be undone.
    public let operation: String
    public let isDryRun: Bool
    public internal(set) var records = Counts()
    public internal(set) var sessions = Counts()
    /// Whether the export says that its records were those of one moment.
    public internal(set) var isConsistent = true

    init(operation: String, isDryRun: Bool) {
        self.operation = operation
        self.isDryRun = isDryRun
    }
}
