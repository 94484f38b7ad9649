public import AgentMemory
public import MemoryService

/// What an undo has done.
public struct UndoResponse: APIResponse {
    private let outcome: UndoOutcome

    public init(_ outcome: UndoOutcome) {
        self.outcome = outcome
    }

    public var estimatedBytes: Int { 256 + 64 * outcome.skipped.count }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("operation", outcome.operation)
            writer.member("undone", outcome.undone)
            writer.member("skipped", outcome.skipped)
        }
    }
}
