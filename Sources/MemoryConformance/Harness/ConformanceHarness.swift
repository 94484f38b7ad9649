public import AgentMemory

/// Creates the databases that checks run on; the author of a backend provides one.
public protocol ConformanceHarness: Sendable {
    /// The backend's name as a report shows it.
    var backend: String { get }

    /// The only length of vectors that the backend is set up for; `nil`, the default, if each check
    /// can choose its own.
    var dimensions: Int? { get }

    /// Remarks for the report about the whole run, such as how the harness has helped the backend;
    /// by default none.
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
    /// Opens the same scope once more; `nil` if that is not possible.
    public let reopen: Reopen?
    /// Kills and restarts the store of the database; `nil` if the harness does not control that
    /// store.
    public let faults: StoreFaults?
    /// Sends raw requests to a server of the REST API; `nil` if the database is called directly.
    public let wire: (any WireClient)?
    /// Whether the database embeds with the embedder it was given. If not, checks that decide which
    /// texts are near do not apply.
    public let embedsAsGiven: Bool
    /// Whether the index is new and of this scope alone. If not, checks of values that an engine
    /// computes over all records, including those of others and deleted ones, do not apply.
    public let isAlone: Bool
    /// Whether each call is one call of the store. If a long page is composed of several responses,
    /// or an update of many records sent as several requests, checks that read in the middle of a
    /// call do not apply.
    public let passesCallsWhole: Bool
    /// Number of writes so far that returned before they could be read, if the harness waited for
    /// them; `nil` if it does not wait.
    public let lateWrites: (@Sendable () -> Int)?
    /// A prepared store without sessions; `nil` if there is none to check.
    public let sessions: Shared<any WorkingMemoryStore>?
    /// A prepared, empty queue of jobs; `nil` if there is none to check.
    public let jobs: Shared<any JobQueue>?
    /// A store of access tokens that holds none, prepared; `nil` if there is none to check.
    public let tokens: Shared<any TokenStore>?
    /// A prepared store without documents; `nil` if there is none.
    public let documents: Shared<any DocumentStore>?
    /// Closes what was opened and removes everything in the scope.
    public let remove: @Sendable () async throws -> Void

    /// One store as two server processes use it.
    public struct Shared<Store: Sendable>: Sendable {
        public let first: Store
        /// Over connections of its own if the store has any.
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
        tokens: Shared<any TokenStore>? = nil, documents: Shared<any DocumentStore>? = nil,
        remove: @escaping @Sendable () async throws -> Void
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
        self.documents = documents
        self.remove = remove
    }
}

/// Ways to take the store away from a database, for the checks of durability.
public struct StoreFaults: Sendable {
    /// Kills the store as a crash would (SIGKILL); returns once its process has ended.
    public let crash: @Sendable () async throws -> Void
    /// Starts the store again at the same address with the data it has kept; returns once it
    /// responds.
    public let restart: @Sendable () async throws -> Void
    /// Deletes the data that the store has kept; called only between a crash and a restart.
    public let empty: @Sendable () async throws -> Void
    /// The configured limit for a call of the database.
    public let deadline: Duration

    /// Faults of a store. The default deadline is 10 seconds, as that of the server.
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

/// Sends requests to a server of the REST API, for checks of the API itself.
public protocol WireClient: Sendable {
    /// The prefix of the ids and the namespaces of the scope on the server. A record that the
    /// database adds without a namespace has this as its namespace there. Everything that a check
    /// writes must have this prefix, because it is what the harness removes at the end.
    var scope: String { get }

    /// Sends one request.
    ///
    /// - Parameters:
    ///   - method: such as `POST`.
    ///   - path: from `/v1` on, with its query.
    ///   - bytes: sent unchanged as `application/json`; `nil` for a request without a body.
    /// - Returns: the status, and the body if it is JSON.
    func send(_ method: String, _ path: String, bytes: [UInt8]?) async throws -> (status: Int, body: JSONValue?)
}
