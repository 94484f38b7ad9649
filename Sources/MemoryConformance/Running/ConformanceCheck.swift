/// One rule of the contract, or one aspect of it, as an executable check.
public struct ConformanceCheck: Sendable, Identifiable {
    public enum Requirement: String, Sendable, CaseIterable {
        case must = "MUST"
        case should = "SHOULD"
    }

    /// The part of a backend that a check is about; a backend can be developed level by level.
    public enum Level: String, Sendable, CaseIterable {
        /// Records, filters, updates, counts, semantic search: required of every backend.
        case core
        /// Order, totals and pages, at any size.
        case paging
        case keyword
        case hybrid
        /// Recency inside the engine (rule S7).
        case recency
        /// Many writers and readers at once.
        case concurrency
        /// A store that is down, crashes and restarts.
        case durability
        /// How many of the true neighbours an approximate index finds.
        case recall
        /// Sessions, background jobs, access tokens and histories, which a server needs in addition
        /// to its memories.
        case state
    }

    /// A requirement of a check. A check whose needs are not met does not apply; it neither passes
    /// nor fails.
    public enum Need: String, Sendable, CaseIterable {
        case keywordSearch = "keyword search"
        case hybridSearch = "hybrid search"
        case serverSideRecency = "server-side recency"
        case distanceThreshold = "distance_threshold"
        case blendedSearch = "blended ranking"
        case metadataFilters = "filters on metadata"
        case expiry = "records that expire"
        /// The check compares texts by their tokens.
        case lateInteraction = "late interaction"
        case opaqueBytes = "opaque bytes"
        /// The check decides which texts are near to which.
        case steeredEmbeddings = "embeddings that the check decides"
        /// The check opens the scope a second time.
        case secondProcess = "a second way into the same scope"
        /// The check kills the store.
        case storeFaults = "a store that the harness owns and may kill"
        /// The check sends requests that no call of the interface could.
        case wire = "the REST API"
        /// The check compares values that are computed over all records that the index has or had:
        /// RediSearch never takes the length of a deleted record out of its average.
        case indexOfItsOwn = "a new index of its own"
        /// The check tests whether readers and concurrent calls see a call as a whole.
        case wholeCalls = "calls that reach the store whole"
        /// The check calls writes whose conditions the store itself checks.
        case atomicWrites = "writes that are decided in the store"
        /// The check reads the events of writes.
        case history = "a history"
        case sessionStore = "a store of sessions"
        case jobQueue = "a queue of background jobs"
        case tokenStore = "a store of access tokens"
        /// The check compares with the oracle.
        case oracle = "an oracle to compare with"
    }

    /// `chapter/rule-what`, such as `filter/F3-two-operators`.
    public let id: String
    public let requirement: Requirement
    public let level: Level
    public let needs: Set<Need>
    /// The length of the vectors in the check.
    let dimensions: Int
    /// Whether the embedder of the check makes tokens.
    let makesTokens: Bool
    /// The usual cause of a failure, for the author of the backend.
    public let hint: String
    let body: @Sendable (CheckScope) async throws -> Void

    /// - Parameters:
    ///   - level: by default the chapter's.
    ///   - body: a named function of the chapter, so that a failing line has a name.
    init(
        _ id: String, _ requirement: Requirement = .must, level: Level? = nil, needs: Set<Need> = [],
        dimensions: Int = 16, makesTokens: Bool = false, hint: String,
        run body: @escaping @Sendable (CheckScope) async throws -> Void
    ) {
        self.id = id
        self.requirement = requirement
        self.dimensions = dimensions
        self.makesTokens = makesTokens
        self.hint = hint
        self.body = body
        let chapter = id.prefix { $0 != "/" }
        let chapterLevel: Level =
            switch chapter {
            case "page", "size": .paging
            case "session", "jobs", "tokens", "history": .state
            default: Level(rawValue: String(chapter)) ?? .core
            }
        self.level = level ?? chapterLevel
        self.needs =
            switch chapter {
            case "keyword": needs.union([.keywordSearch])
            case "hybrid": needs.union([.hybridSearch])
            case "wire": needs.union([.wire])
            case "session": needs.union([.sessionStore])
            case "jobs": needs.union([.jobQueue])
            case "tokens": needs.union([.tokenStore])
            case "scope": needs.union([.atomicWrites])
            case "history": needs.union([.history, .atomicWrites])
            default: needs
            }
    }

    /// The part before the slash, such as `filter`.
    public var chapter: String { String(id.prefix { $0 != "/" }) }

    /// The rule of the contract, such as `F3`.
    public var rule: String {
        String(id.drop { $0 != "/" }.dropFirst().prefix { $0 != "-" })
    }

    /// Every check, chapter by chapter.
    public static let all: [ConformanceCheck] = [
        RecordChecks.checks, RecordLimitChecks.checks, UpdateChecks.checks, FilterChecks.checks, MetadataChecks.checks,
        ExpiryChecks.checks, PageChecks.checks, SearchChecks.checks, KeywordChecks.checks, BlendedChecks.checks,
        LateInteractionChecks.checks, CapabilityChecks.checks, FailureChecks.checks,
        ConcurrencyChecks.checks, AtomicityChecks.checks, DurabilityChecks.checks, SizeChecks.checks,
        RecallChecks.checks, differentialChecks, SessionChecks.checks, SessionWriteChecks.checks, JobChecks.checks,
        ScopeChecks.checks, TokenChecks.checks, HistoryChecks.checks,
        wireChecks,
    ].flatMap(\.self)
}

extension ConformanceCheck: CustomStringConvertible {
    /// The id, which is what test frameworks show.
    public var description: String { id }
}
