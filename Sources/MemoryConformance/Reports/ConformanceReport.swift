public import AgentMemory

/// The results of a run: every check on every backend.
public struct ConformanceReport: Sendable {
    /// The version of the JSON form; it changes if a member changes its meaning or is removed.
    public static let schemaVersion = 1
    /// The version of the checks.
    public static let kitVersion = "1.0.0"
    /// The version of `Documentation/contract.md` that the checks are about.
    public static let contractVersion = 1

    public let startedAt: Timestamp
    public let duration: Duration
    public let settings: CheckSettings
    public let backends: [BackendReport]
    /// Expected failures that did not occur; each fails the run.
    public let staleExpectations: [ExpectedFailures.Entry]
    /// Whether the run was ended before its last check.
    public let interrupted: Bool

    /// Whether every MUST held on every backend, every expected failure occurred, and the run was
    /// completed.
    public var succeeded: Bool {
        !interrupted && staleExpectations.isEmpty
            && backends.allSatisfy { $0.failure == nil && !$0.checks.contains { $0.verdict == .failed } }
    }

    /// The checks that ran on any backend, in the kit's order.
    var checks: [ConformanceCheck] {
        let ran = Set(backends.flatMap(\.checks).map(\.result.check.id))
        return ConformanceCheck.all.filter { ran.contains($0.id) }
    }
}

/// The results of a run on one backend.
public struct BackendReport: Sendable {
    public let name: String
    /// The products that responded, such as `PostgreSQL 18.4, pgvector 0.8.5`.
    public let versions: [String]
    /// `nil` if no database could be made.
    public let capabilities: BackendCapabilities?
    /// Why no check could run at all.
    public let failure: String?
    /// Remarks about the whole run on this backend.
    public let notes: [String]
    public let checks: [CheckReport]

    func report(of check: ConformanceCheck) -> CheckReport? {
        checks.first { $0.result.check.id == check.id }
    }

    func count(_ verdict: Verdict) -> Int {
        checks.count { $0.verdict == verdict }
    }
}

/// A result, and its meaning for the run.
public struct CheckReport: Sendable {
    public let result: CheckResult
    public let verdict: Verdict
}

/// The meaning of a result for the run.
public enum Verdict: String, Sendable, CaseIterable {
    case passed
    /// A MUST that does not hold: the run fails.
    case failed
    /// A SHOULD that does not hold: reported, but the run does not fail.
    case shortfall
    /// The file of expected failures names it.
    case expectedFailure = "expected-failure"
    case notApplicable = "not-applicable"

    init(_ result: CheckResult, expected: ExpectedFailures) {
        self =
            switch result.outcome {
            case .passed: .passed
            case .notApplicable: .notApplicable
            case .failed:
                if expected.entry(for: result.check.id, on: result.backend) != nil {
                    .expectedFailure
                } else {
                    result.check.requirement == .must ? .failed : .shortfall
                }
            }
    }

    /// The mark in tables.
    var mark: String {
        switch self {
        case .passed: "pass"
        case .failed: "FAIL"
        case .shortfall: "short"
        case .expectedFailure: "expected"
        case .notApplicable: "n/a"
        }
    }
}
