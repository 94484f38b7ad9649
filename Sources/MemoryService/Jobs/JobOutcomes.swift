import AgentMemory
import Synchronization

/// What became of the attempts at jobs that this server has made.
public final class JobOutcomes: Sendable {
    public enum Outcome: String, Sendable, CaseIterable {
        case done
        /// Failed, to be tried again.
        case retried
        /// Failed, and now in the dead-letter list.
        case dead
        /// Another worker had taken the job meanwhile.
        case lost
        /// The server shut down.
        case interrupted
    }

    public struct Count: Sendable, Equatable {
        public let kind: String
        public let outcome: Outcome
        public let attempts: Int
    }

    private let counts = Mutex<[String: [Outcome: Int]]>([:])

    public init() {}

    /// Since the start, ordered by kind and outcome; outcomes that have not happened are left out.
    public var all: [Count] {
        counts.withLock(\.self).sorted { $0.key < $1.key }.flatMap { kind, outcomes in
            Outcome.allCases.compactMap { outcome in
                outcomes[outcome].map { Count(kind: kind, outcome: outcome, attempts: $0) }
            }
        }
    }

    func note(_ outcome: Outcome, of job: LeasedJob) {
        counts.withLock { $0[job.kind, default: [:]][outcome, default: 0] += 1 }
    }
}
