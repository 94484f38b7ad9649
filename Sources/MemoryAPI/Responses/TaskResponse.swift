public import AgentMemory
public import MemoryService

/// A task, or a list of them.
public struct TaskResponse: APIResponse {
    private let json: JSONValue

    public init(_ task: ServerTask) { json = .object(task.json) }
    public init(_ tasks: [ServerTask]) { json = .array(tasks.map { .object($0.json) }) }

    public func write(to writer: inout JSONWriter) {
        writer.value(json)
    }
}
