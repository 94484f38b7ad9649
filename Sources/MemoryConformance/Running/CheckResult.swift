/// The result of one check on one backend.
public struct CheckResult: Sendable {
    public enum Outcome: Sendable {
        case passed
        case failed(Evidence)
        /// Why the check does not apply to this backend.
        case notApplicable(String)
    }

    public let check: ConformanceCheck
    public let backend: String
    public let outcome: Outcome
    /// What the check measured, by name, such as `recall@10 at 1 %`.
    public let figures: [String: Double]
    public let duration: Duration

    public var passed: Bool { if case .passed = outcome { true } else { false } }
    public var failed: Bool { if case .failed = outcome { true } else { false } }

    /// The evidence of a failure as text; empty if the check did not fail.
    public var evidence: String {
        guard case .failed(let evidence) = outcome else { return "" }
        return """
            \(check.id) (\(check.requirement.rawValue)) failed on \(backend): \(evidence.reason)
            usually wrong: \(check.hint)
            calls:
            \(evidence.calls.suffix(20).map { "  " + $0 }.joined(separator: "\n"))
            """ + (evidence.script.map { "\nscript:\n\($0)" } ?? "")
    }
}

extension CheckResult {
    /// Why a test of this check must fail, as text; `nil` if it need not.
    ///
    /// It must fail if a MUST does not hold unexpectedly, or if an expected failure did not occur:
    /// outdated entries would hide the next failure. A SHOULD that does not hold is not a reason,
    /// and neither is a check that does not apply.
    public func complaint(expecting expected: ExpectedFailures = ExpectedFailures()) -> String? {
        switch Verdict(self, expected: expected) {
        case .failed: return evidence
        case .passed:
            guard expected.entry(for: check.id, on: backend) != nil else { return nil }
            return "\(check.id) is expected to fail on \(backend), but it passes: take it off the list"
        case .shortfall, .expectedFailure, .notApplicable: return nil
        }
    }
}

extension CheckResult: CustomStringConvertible {
    /// One line: the result, the check, and the reason if it does not apply.
    public var description: String {
        switch outcome {
        case .passed: "passed: \(check.id)"
        case .failed: "failed: \(check.id)"
        case .notApplicable(let reason): "not applicable: \(check.id): \(reason)"
        }
    }
}

/// The reason of a failure.
public struct Evidence: Sendable {
    /// What was compared, with the expected and the actual value.
    public let reason: String
    /// `nil` if nothing was compared because a call threw.
    public let expected: String?
    public let got: String?
    /// The calls that were made until then, in order, each with its result.
    public let calls: [String]
    /// A script that replays the failure, if a random history found it (``History/init(script:)``).
    public let script: String?

    init(reason: String, calls: [String]) {
        self.reason = reason
        self.expected = nil
        self.got = nil
        self.calls = calls
        self.script = nil
    }

    init(_ mismatch: Mismatch, calls: [String]) {
        self.reason = mismatch.description
        self.expected = mismatch.expected
        self.got = mismatch.got
        self.calls = calls
        self.script = mismatch.script
    }
}

/// An expectation that was not met.
struct Mismatch: Error, CustomStringConvertible {
    let what: String
    let expected: String?
    let got: String?
    /// The history that was replayed.
    let script: String?

    init(_ what: String, expected: String? = nil, got: String? = nil, script: String? = nil) {
        self.what = what
        self.expected = expected
        self.got = got
        self.script = script
    }

    var description: String {
        guard let expected, let got else { return what }
        return "\(what): expected \(expected), got \(got)"
    }
}
