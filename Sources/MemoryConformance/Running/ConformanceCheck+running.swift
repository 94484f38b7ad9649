import AgentMemory

extension ConformanceCheck {
    /// Runs the check on a new database of the harness, and removes that database in every case,
    /// also when the task is cancelled.
    public func run(on harness: any ConformanceHarness, _ settings: CheckSettings = CheckSettings()) async
        -> CheckResult
    {
        let clock = ContinuousClock()
        let start = clock.now
        let log = CallLog()
        let figures = Figures()
        let outcome = await outcome(on: harness, settings, log: log, figures: figures)
        return CheckResult(
            check: self, backend: harness.backend, outcome: outcome, figures: figures.all,
            duration: clock.now - start)
    }

    private func outcome(
        on harness: any ConformanceHarness, _ settings: CheckSettings, log: CallLog, figures: Figures
    ) async -> CheckResult.Outcome {
        let embedder = SteeredEmbedder(dimensions: harness.dimensions ?? dimensions, makesTokens: makesTokens)
        let scoped: ScopedDatabase
        do {
            // Created in a task of its own: a scope that is half created when the run is cancelled
            // could not be removed.
            scoped = try await Task { try await harness.makeDatabase(embedder: embedder) }.value
        } catch {
            return .failed(Evidence(reason: "no database could be made: \(error)", calls: []))
        }
        var outcome: CheckResult.Outcome
        if let reason = reasonNotToApply(to: scoped, settings) {
            outcome = .notApplicable(reason)
        } else {
            let scope = CheckScope(
                database: LoggingDatabase(scoped.database, log: log), scoped: scoped, embedder: embedder,
                settings: settings, figures: figures, log: log)
            do {
                try await body(scope)
                outcome = .passed
            } catch let inapplicable as NotApplicable {
                outcome = .notApplicable(inapplicable.reason)
            } catch let mismatch as Mismatch {
                outcome = .failed(Evidence(mismatch, calls: log.calls))
            } catch {
                outcome = .failed(Evidence(reason: "\(error)", calls: log.calls))
            }
        }
        do {
            // Removed in a task of its own, so that cancelling the run does not leave the scope
            // behind.
            try await Task { try await scoped.remove() }.value
        } catch {
            if case .failed = outcome {
            } else {
                outcome = .failed(Evidence(reason: "the scope could not be removed: \(error)", calls: log.calls))
            }
        }
        return outcome
    }

    private func reasonNotToApply(to scoped: ScopedDatabase, _ settings: CheckSettings) -> String? {
        let capabilities = scoped.database.capabilities
        let unmet = Need.allCases.filter { need in
            guard needs.contains(need) else { return false }
            return switch need {
            case .keywordSearch: !capabilities.keywordSearch
            case .hybridSearch: !capabilities.hybridSearch
            case .serverSideRecency: !capabilities.serverSideRecency
            case .distanceThreshold: !capabilities.distanceThreshold
            case .blendedSearch: !capabilities.blendedSearch
            case .metadataFilters: !capabilities.metadataFilters
            case .expiry: !capabilities.expiry
            case .lateInteraction: !CheckedDatabase(scoped.database).comparesTokens
            case .opaqueBytes: CheckedDatabase(scoped.database).opaqueBytes == nil
            case .steeredEmbeddings: !scoped.embedsAsGiven
            case .secondProcess: scoped.reopen == nil
            case .storeFaults: scoped.faults == nil
            case .wire: scoped.wire == nil
            case .indexOfItsOwn: !scoped.isAlone
            case .wholeCalls: !scoped.passesCallsWhole
            case .atomicWrites: CheckedDatabase(scoped.database).atomicWrites == nil
            case .history: !(CheckedDatabase(scoped.database).database is any RecordHistory)
            case .sessionStore: scoped.sessions == nil
            case .jobQueue: scoped.jobs == nil
            case .tokenStore: scoped.tokens == nil
            case .oracle: settings.oracle == nil
            }
        }
        return unmet.isEmpty ? nil : "needs " + unmet.map(\.rawValue).joined(separator: " and ")
    }
}

/// What the checks of one run share.
public struct CheckSettings: Sendable {
    /// The seed of the random histories; the same seed gives the same histories.
    public var seed: UInt64
    /// How many random histories are compared with the oracle.
    public var histories: Int
    /// The backend that random histories are compared with, which keeps the whole contract; `nil`
    /// leaves those checks out.
    public var oracle: (any ConformanceHarness)?

    /// Settings of a run: by default seed 1 and 500 histories.
    public init(seed: UInt64 = 1, histories: Int = 500, oracle: (any ConformanceHarness)? = nil) {
        self.seed = seed
        self.histories = histories
        self.oracle = oracle
    }
}

/// Thrown by a check that turns out not to apply to this backend, for example because REST has no
/// field for a change.
public struct NotApplicable: Error, CustomStringConvertible {
    public let reason: String

    public init(_ reason: String) {
        self.reason = reason
    }

    public var description: String { reason }
}
