public import AgentMemory
public import MemoryService

/// What a compaction has done; its status is worded as in the reference.
public struct CompactResponse: APIResponse {
    private let outcome: CompactionOutcome

    public init(_ outcome: CompactionOutcome) {
        self.outcome = outcome
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("status", "ok, \(outcome.remaining) memories remaining after compaction")
            writer.member("merged", outcome.merged)
            writer.member("operation", outcome.operation)
        }
    }
}
