public import AgentMemory

/// Runs checks on backends, one after the other, and makes one report of it.
public struct ConformanceRun: Sendable {
    /// Which checks run, and how.
    public struct Options: Sendable {
        /// Beginnings of check ids, such as `filter/` or `page/P2-total`; empty for all checks.
        public var only: [String]
        /// Beginnings of check ids that are left out.
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
        /// - Throws: ``MemoryError`` with code `invalidInput` where a beginning fits no check: a misspelt one must not pass for a run.
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

    /// What a long run tells while it runs.
    public enum Event: Sendable {
        case began(backend: String, versions: [String], checks: Int)
        case starting(ConformanceCheck, backend: String, number: Int, of: Int)
        case finished(CheckResult, Verdict, number: Int, of: Int)
    }

    private let options: Options
    private let checks: [ConformanceCheck]

    /// - Throws: ``MemoryError`` with code `invalidInput` if the options name no check.
    public init(_ options: Options = Options()) throws(MemoryError) {
        self.options = options
        self.checks = try options.checks()
    }

    /// Runs the checks. A run that is cancelled ends after the check at hand has removed its scope; its report says so.
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
        let identity: (versions: [String], capabilities: BackendCapabilities)
        do {
            identity = try await Self.identity(of: harness)
        } catch {
            return BackendReport(
                name: harness.backend, versions: [], capabilities: nil,
                failure: "no database could be made: \((error as? MemoryError)?.message ?? "\(error)")", checks: [])
        }
        telling(.began(backend: harness.backend, versions: identity.versions, checks: checks.count))
        var reported: [CheckReport] = []
        for (index, check) in checks.enumerated() {
            if Task.isCancelled { break }
            telling(.starting(check, backend: harness.backend, number: index + 1, of: checks.count))
            let result = await check.run(on: harness, options.settings)
            // What a cancelled check says is not about the backend.
            if Task.isCancelled { break }
            let verdict = Verdict(result, expected: options.expectedFailures)
            reported.append(CheckReport(result: result, verdict: verdict))
            telling(.finished(result, verdict, number: index + 1, of: checks.count))
        }
        return BackendReport(
            name: harness.backend, versions: identity.versions, capabilities: identity.capabilities, failure: nil,
            checks: reported)
    }

    private static func identity(
        of harness: any ConformanceHarness
    ) async throws -> (versions: [String], capabilities: BackendCapabilities) {
        let scoped = try await harness.makeDatabase(embedder: SteeredEmbedder())
        let versions = await scoped.database.health().compactMap(\.version)
        let capabilities = scoped.database.capabilities
        try await scoped.remove()
        return (versions, capabilities)
    }
}
