import AgentMemory

extension PeriodicWork.Entry {
    /// Ends tasks whose work was lost.
    public static func lateTasks(_ tasks: ServerTasks, turns: Turns) -> PeriodicWork.Entry {
        PeriodicWork.Entry("late tasks") {
            guard try await turns.take("periodic:late-tasks", every: 60) else { return }
            try await OwnLook.run { try await tasks.endLateTasks() }
        }
    }
}
