public import AgentMemory

/// One rule of the contract, or one side of it, as something that runs.
public struct ConformanceCheck: Sendable {
    public enum Requirement: String, Sendable {
        case must = "MUST"
        case should = "SHOULD"
    }

    /// `chapter/rule-what`, such as `filter/F3-two-operators`.
    public let id: String
    public let requirement: Requirement
    /// What is usually wrong when the check fails, for whoever writes the backend.
    public let hint: String
    let body: @Sendable (CheckScope) async throws -> Void

    init(
        _ id: String, _ requirement: Requirement = .must, hint: String,
        _ body: @escaping @Sendable (CheckScope) async throws -> Void
    ) {
        self.id = id
        self.requirement = requirement
        self.hint = hint
        self.body = body
    }

    /// The part before the slash, such as `filter`.
    public var chapter: String { String(id.prefix { $0 != "/" }) }

    /// The rule of the contract, such as `F3`.
    public var rule: String {
        String(id.drop { $0 != "/" }.dropFirst().prefix { $0 != "-" })
    }

    /// Every check, chapter by chapter.
    public static let all: [ConformanceCheck] =
        recordChecks + updateChecks + filterChecks + pageChecks + searchChecks + keywordChecks + failureChecks

    /// Runs the check on a new database of the harness, and removes that database whatever came.
    public func run(on harness: some ConformanceHarness) async -> CheckResult {
        let embedder = SteeredEmbedder()
        let clock = ContinuousClock()
        let start = clock.now
        let log = CallLog()
        var outcome: CheckResult.Outcome
        do {
            let scoped = try await harness.makeDatabase(embedder: embedder)
            let database = LoggingDatabase(scoped.database, log: log)
            do {
                try await body(CheckScope(database: database, reopen: scoped.reopen, embedder: embedder))
                outcome = .passed
            } catch {
                outcome = .failed("\(error)", calls: log.calls)
            }
            do {
                try await scoped.remove()
            } catch {
                if case .passed = outcome {
                    outcome = .failed("the scope could not be removed: \(error)", calls: log.calls)
                }
            }
        } catch {
            outcome = .failed("no database could be made: \(error)", calls: [])
        }
        return CheckResult(check: self, backend: harness.backend, outcome: outcome, duration: clock.now - start)
    }
}

/// What came of one check on one backend.
public struct CheckResult: Sendable {
    public enum Outcome: Sendable {
        case passed
        /// What was expected and what came, and the calls that were made until then.
        case failed(String, calls: [String])
    }

    public let check: ConformanceCheck
    public let backend: String
    public let outcome: Outcome
    public let duration: Duration

    public var passed: Bool { if case .passed = outcome { true } else { false } }

    /// The evidence of a failure in lines for people; empty if the check passed.
    public var evidence: String {
        guard case .failed(let reason, let calls) = outcome else { return "" }
        return """
            \(check.id) (\(check.requirement.rawValue)) failed on \(backend): \(reason)
            usually wrong: \(check.hint)
            calls:
            \(calls.suffix(20).map { "  " + $0 }.joined(separator: "\n"))
            """
    }
}

/// An expectation that was not met.
struct Mismatch: Error, CustomStringConvertible {
    let description: String
}
