public import AgentMemory
public import MemoryService

/// A summary view, or a partition of one; or a list of them.
public struct SummaryResponse: APIResponse {
    private let json: JSONValue

    public init(_ view: SummaryView) { json = .object(view.json) }
    public init(_ views: [SummaryView]) { json = .array(views.map { .object($0.json) }) }
    public init(_ partition: SummaryPartition) { json = .object(partition.json) }
    public init(_ partitions: [SummaryPartition]) { json = .array(partitions.map { .object($0.json) }) }

    public func write(to writer: inout JSONWriter) {
        writer.value(json)
    }
}
