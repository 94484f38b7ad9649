public import AgentMemory

/// Runs checks on backends, one after the other, and makes one report.
public struct ConformanceRun: Sendable {
    /// The choice of checks, and their settings.
    public struct Options: Sendable {
        /// Prefixes of check ids, such as `filter/` or `page/P2-total`; empty for all checks.
        public var only: [String]
        /// Prefixes of check ids that are left out.
        public var skip: [String]
        /// Empty for all levels.
        public var levels: Set<ConformanceCheck.Level>
        public var settings: CheckSettings
        public var expectedFailures: ExpectedFailures

        public init(
            only: [String] = [], skip: [String] = [], levels: Set<ConformanceCheck.Level> = [],
            settings: CheckSettings = CheckSettings(), expectedFailures: ExpectedFailures = ExpectedFailures()
        ) {
            self.only = only
            self.skip = skip
            self.levels = levels
            self.settings = settings
            self.expectedFailures = expectedFailures
        }

        /// The checks that these options choose, in the kit's order.
        ///
        /// - Throws: `MemoryError` with code `invalidInput` if a prefix matches no check: a
        ///   misspelt one must not count as a run.
        public func checks() throws(MemoryError) -> [ConformanceCheck] {
            for (option, prefixes) in [("only", only), ("skip", skip)] {
                for prefix in prefixes where !ConformanceCheck.all.contains(where: { $0.id.hasPrefix(prefix) }) {
                    throw .invalid(option, "no check begins with \(prefix.debugDescription)")
                }
            }
            let checks = ConformanceCheck.all.filter { check in
                (only.isEmpty || only.contains { check.id.hasPrefix($0) })
                    && !skip.contains { check.id.hasPrefix($0) }
                    && (levels.isEmpty || levels.contains(check.level))
            }
            guard !checks.isEmpty else { throw .invalid("only", "the options leave no check to run") }
            return checks
        }
    }

    /// The progress of a run.
    public enum Event: Sendable {
        case began(backend: String, versions: [String], checks: Int)
        case starting(ConformanceCheck, backend: String, number: Int, of: Int)
        case finished(CheckResult, Verdict, number: Int, of: Int)
    }

    private let options: Options
    private let checks: [ConformanceCheck]

    /// - Throws: `MemoryError` with code `invalidInput` if the options choose no check.
    public init(_ options: Options = Options()) throws(MemoryError) {
        self.options = options
        self.checks = try options.checks()
    }

    /// Runs the checks. A cancelled run ends after the current check has removed its scope; its
    /// report says so.
    public func run(
        on harnesses: [any ConformanceHarness], telling: @Sendable (Event) -> Void = { _ in }
    ) async -> ConformanceReport {
        let clock = ContinuousClock()
        let start = clock.now
        let startedAt = Timestamp.now()
        var backends: [BackendReport] = []
        for harness in harnesses where !Task.isCancelled {
            backends.append(await run(on: harness, telling: telling))
        }
        return ConformanceReport(
            startedAt: startedAt, duration: clock.now - start, settings: options.settings, backends: backends,
            staleExpectations: Task.isCancelled
                ? [] : options.expectedFailures.stale(in: backends),
            interrupted: Task.isCancelled)
    }

    private func run(
        on harness: any ConformanceHarness, telling: @Sendable (Event) -> Void
    ) async -> BackendReport {
        let identity: Identity
        do {
            identity = try await Identity(of: harness)
        } catch {
            return BackendReport(
                name: harness.backend, versions: [], capabilities: nil, failure: error.reason, notes: [], checks: [])
        }
        telling(.began(backend: harness.backend, versions: identity.versions, checks: checks.count))
        var reported: [CheckReport] = []
        for (index, check) in checks.enumerated() {
            if Task.isCancelled { break }
            telling(.starting(check, backend: harness.backend, number: index + 1, of: checks.count))
            let result = await check.run(on: harness, options.settings)
            // The result of a cancelled check says nothing about the backend.
            if Task.isCancelled { break }
            let verdict = Verdict(result, expected: options.expectedFailures)
            reported.append(CheckReport(result: result, verdict: verdict))
            telling(.finished(result, verdict, number: index + 1, of: checks.count))
        }
        return BackendReport(
            name: harness.backend, versions: identity.versions, capabilities: identity.capabilities, failure: nil,
            notes: identity.notes + harness.notes, checks: reported)
    }
}

/// The identity of a backend, determined before its checks, and a failure that would make all of
/// them fail: the report then has the cause and not only its consequences.
private struct Identity {
    let versions: [String]
    let capabilities: BackendCapabilities
    let notes: [String]

    /// Why no check could run.
    struct Failure: Error {
        let reason: String

        init(_ reason: String) {
            self.reason = reason
        }

        init(_ what: String, _ error: any Error) {
            reason = "\(what): \((error as? MemoryError)?.message ?? "\(error)")"
        }
    }

    private static let visibilityLimit: Duration = .seconds(5)

    init(of harness: any ConformanceHarness) async throws(Failure) {
        let dimensions = harness.dimensions ?? SteeredEmbedder.usualDimensions
        let fewest = SteeredEmbedder.fewestDimensions
        guard dimensions >= fewest else {
            throw Failure(
                "the checks cannot be made",
                MemoryError(.misconfigured, "they need vectors of at least \(fewest) numbers, not \(dimensions)"))
        }
        let scoped: ScopedDatabase
        do {
            scoped = try await harness.makeDatabase(embedder: SteeredEmbedder(dimensions: dimensions))
        } catch {
            throw Failure("no database could be made", error)
        }
        versions = await scoped.database.health().compactMap(\.version)
        capabilities = scoped.database.capabilities
        let probed: Result<[String], Failure>
        do {
            probed = .success(
                try await Self.probe(scoped.database, dimensions: scoped.embedsAsGiven ? dimensions : nil))
        } catch {
            probed = .failure(error)
        }
        do {
            try await scoped.remove()
        } catch {
            // An error of storing the record is the cause here too.
            _ = try probed.get()
            throw Failure("the scope could not be removed", error)
        }
        notes = try probed.get()
    }

    /// Stores one record, as every check does, and reads it.
    ///
    /// - Parameter dimensions: of the vectors of the database; `nil` if it does not use the given
    ///   embedder.
    /// - Returns: remarks for the report.
    private static func probe(
        _ database: any MemoryVectorDatabase, dimensions: Int?
    ) async throws(Failure) -> [String] {
        do {
            _ = try await database.add([try MemoryRecord(id: "probe", text: "[1] probe")])
        } catch {
            let vector = dimensions.map { " with a vector of \($0) numbers" } ?? ""
            // The complete error: the author of a backend needs the details of its own code.
            throw Failure("not even one record could be stored\(vector), so no check was run: \(error)")
        }
        let clock = ContinuousClock()
        let stored = clock.now
        var looks = 0
        while clock.now - stored < visibilityLimit {
            // If it cannot be read at all, the checks report more.
            guard let found = try? await isThere(database) else { return [] }
            if found {
                if looks == 0 { return [] }
                return [lateness("only \((clock.now - stored).inSeconds) s after it was stored")]
            }
            looks += 1
            try? await Task.sleep(for: .milliseconds(20))
        }
        return [lateness("not even \(visibilityLimit.inSeconds) s after it was stored")]
    }

    private static func isThere(_ database: any MemoryVectorDatabase) async throws -> Bool {
        let filter = MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: "probe")])
        return try await !database.list(ListQuery(filter: filter, page: PageRequest(limit: 1))).items.isEmpty
    }

    private static func lateness(_ when: String) -> String {
        """
        the first record could be read \(when) (rule R6). Most checks read what they have just written and fail for this reason alone; \
        over REST, --settle SECONDS has them wait for their writes
        """
    }
}
