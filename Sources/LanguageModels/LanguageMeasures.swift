public import AgentMemory
public import Metering

/// What a language model has done since the start and does now, without what would show one tenant
/// to another.
public struct LanguageMeasures: Sendable {
    /// One task, for all namespaces.
    public struct Task: Sendable {
        public let task: LanguageTask
        /// Ended calls that were sent, with those that failed.
        public internal(set) var calls = 0
        public internal(set) var failures = 0
        public internal(set) var tokens = TokenCount()
        /// Of the ended calls with all their attempts.
        public internal(set) var durations = DurationHistogram(DurationHistogram.boundsOfCalls)
    }

    public let model: String
    /// Those that were asked for, in the order of the enumeration.
    public let tasks: [Task]
    public let callsInWork: Int
    /// Whether it is not asked now, because it failed too often or its service asked for a pause.
    public let isResting: Bool
    /// Tokens, in and out, of the last 60 minutes, of all models with the same limits.
    public let tokensOfLastHour: Int
    /// Their limit; `nil` for none.
    public let tokensPerHour: Int?
}

extension MeteredLanguageModel {
    public var measures: LanguageMeasures {
        let (used, durations) = (usage, self.durations)
        let tasks: [LanguageMeasures.Task] = LanguageTask.allCases.compactMap { task in
            let parts = used.filter { $0.task == task }
            guard !parts.isEmpty else { return nil }
            var sum = LanguageMeasures.Task(task: task)
            for part in parts {
                sum.calls += part.calls
                sum.failures += part.failures
                sum.tokens = sum.tokens + part.tokens
            }
            if let durations = durations[task] { sum.durations = durations }
            return sum
        }
        let hour = self.hour
        return LanguageMeasures(
            model: model, tasks: tasks, callsInWork: callsInWork, isResting: isResting,
            tokensOfLastHour: hour.used, tokensPerHour: hour.limit)
    }
}
