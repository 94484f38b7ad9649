public import AgentMemory

/// Makes the databases that checks run on; the author of a backend provides one of these.
public protocol ConformanceHarness: Sendable {
    /// The backend's name as a report shows it.
    var backend: String { get }

    /// The length of vectors that the backend is set up for, where it can have no other; by default
    /// `nil`: each check has its own.
    var dimensions: Int? { get }

    /// What a report should say about the whole run, such as how the harness has helped the
    /// backend; by default nothing.
    var notes: [String] { get }

    /// An empty database in a scope of its own (an index prefix, a schema), prepared and ready for
    /// calls. It must not touch anything outside of that scope.
    ///
    /// - Parameter embedder: what the database must embed with.
    func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase
}

extension ConformanceHarness {
    public var dimensions: Int? { nil }
    public var notes: [String] { [] }
}

/// A database that exists for one check.
public struct ScopedDatabase: Sendable {
    /// Opens a database over connections of its own, as another server process would.
    public typealias Reopen = @Sendable (any Embedder) async throws -> any MemoryVectorDatabase

    public let database: any MemoryVectorDatabase
    /// Opens the same scope once more; `nil` where there is no second way in.
    public let reopen: Reopen?
    /// Ends and starts the store below the database; `nil` where the harness does not own that
    /// store.
    public let faults: StoreFaults?
    /// Sends requests as they are to a server of the REST API; `nil` where the database is called
    /// directly.
    public let wire: (any WireClient)?
    /// Whether the database embeds with the embedder it was given. Where it does not, checks that
    /// decide what is near do not apply.
    public let embedsAsGiven: Bool
    /// Whether the index is new and of this scope alone. Where it is not, checks of figures that an
    /// engine computes over all records, those of others and those already deleted too, do not
    /// apply.
    public let isAlone: Bool
    /// Whether each call is one call of the store. Where a long page is put together from several
    /// answers, or an update of many records sent as several requests, checks that look at calls
    /// halfway do not apply.
    public let passesCallsWhole: Bool
    /// Writes so far that were answered before they could be read, where the harness has waited for
    /// them; `nil` where it does not wait.
    public let lateWrites: (@Sendable () -> Int)?
    /// A store of sessions that holds none, prepared; `nil` where there is none to check.
    public let sessions: Shared<any WorkingMemoryStore>?
    /// An empty queue of jobs, prepared; `nil` where there is none to check.
    public let jobs: Shared<any JobQueue>?
    /// A store of access tokens that holds none, prepared; `nil` where there is none to check.
    public let tokens: Shared<any TokenStore>?
    /// Closes what was opened and removes everything that the scope holds.
    public let remove: @Sendable () async throws -> Void

    /// One store as two server processes have it.
    public struct Shared<Store: Sendable>: Sendable {
        public let first: Store
        /// Over connections of its own where the store has any.
        public let second: Store

        public init(_ first: Store, _ second: Store) {
            self.first = first
            self.second = second
        }
    }

    public init(
        database: any MemoryVectorDatabase, reopen: Reopen? = nil, faults: StoreFaults? = nil,
        wire: (any WireClient)? = nil, embedsAsGiven: Bool = true, isAlone: Bool = true,
        passesCallsWhole: Bool = true, lateWrites: (@Sendable () -> Int)? = nil,
        sessions: Shared<any WorkingMemoryStore>? = nil, jobs: Shared<any JobQueue>? = nil,
        tokens: Shared<any TokenStore>? = nil, remove: @escaping @Sendable () async throws -> Void
    ) {
        self.database = database
        self.reopen = reopen
        self.faults = faults
        self.wire = wire
        self.embedsAsGiven = embedsAsGiven
        self.isAlone = isAlone
        self.passesCallsWhole = passesCallsWhole
        self.lateWrites = lateWrites
        self.sessions = sessions
        self.jobs = jobs
        self.tokens = tokens
        self.remove = remove
    }
}

/// Ways to take the store away from under a database, for the checks of durability.
public struct StoreFaults: Sendable {
    /// Ends the store as a crash would (SIGKILL); returns once it is gone.
    public let crash: @Sendable () async throws -> Void
    /// Starts the store again at the same address with what it has kept; returns once it answers.
    public let restart: @Sendable () async throws -> Void
    /// Throws away what the store has kept; called between a crash and a restart only.
    public let empty: @Sendable () async throws -> Void
    /// How long a call of the database may take, as it was configured.
    public let deadline: Duration

    /// - Parameter deadline: default 10 seconds, as that of the server.
    public init(
        crash: @escaping @Sendable () async throws -> Void, restart: @escaping @Sendable () async throws -> Void,
        empty: @escaping @Sendable () async throws -> Void, deadline: Duration = .seconds(10)
    ) {
        self.crash = crash
        self.restart = restart
        self.empty = empty
        self.deadline = deadline
    }
}

/// Sends requests to a server of the REST API, for the checks of what only the wire can say.
public protocol WireClient: Sendable {
    /// What the ids and the namespaces of the scope begin with on the server. A record that the
    /// database adds without a namespace has this as its namespace there. Whatever a check writes
    /// must begin so too: that is what is removed in the end.
    var scope: String { get }

    /// - Parameters:
    ///   - path: from `/v1` on, with its query.
    ///   - bytes: sent as `application/json`, whatever they are; `nil` for a request without a
    ///     body.
    /// - Returns: the status, and the body where it is JSON.
    func send(_ method: String, _ path: String, bytes: [UInt8]?) async throws -> (status: Int, body: JSONValue?)
}
