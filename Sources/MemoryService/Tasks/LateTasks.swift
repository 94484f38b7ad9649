import AgentMemory
public import Logging

extension PeriodicWork.Entry {
    /// Ends tasks whose work was lost.
    ///
    /// - Parameter logger: gets the tasks that cannot be read.
    public static func lateTasks(_ tasks: ServerTasks, turns: Turns, logger: Logger) -> PeriodicWork.Entry {
        PeriodicWork.Entry("late tasks") {
            guard try await turns.take("periodic:late-tasks", every: 60) else { return }
            try await OwnLook.run { try await tasks.endLateTasks(logger: logger) }
        }
    }
}
