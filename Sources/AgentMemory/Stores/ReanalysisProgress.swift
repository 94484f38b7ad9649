import Synchronization

/// How far a store has come with giving its records the keywords of ``TextAnalyzer/Analysis``'s
/// current version, as its health shows it.
public final class ReanalysisProgress: Sendable {
    private enum State {
        /// Nothing is known to be old.
        case current
        case running(remaining: Int)
        case failed(String)
    }

    private let state = Mutex(State.current)

    public init() {}

    /// - Parameter remaining: how many records have not been looked at yet.
    public func report(remaining: Int) {
        state.withLock { $0 = remaining > 0 ? .running(remaining: remaining) : .current }
    }

    /// - Parameter reason: why no record could be looked at, in one sentence without secrets.
    public func fail(_ reason: String) { state.withLock { $0 = .failed(reason) } }

    public func finish() { state.withLock { $0 = .current } }

    /// For ``ComponentHealth/warning``; `nil` when all records are known to be current.
    public var warning: String? {
        switch state.withLock(\.self) {
        case .current: nil
        case .running(let remaining):
            "\(remaining) records still have to be checked for the keywords of an older version: until then words "
                + "inside texts without blanks may not be found"
        case .failed(let reason): "records with the keywords of an older version could not be looked for: \(reason)"
        }
    }
}
