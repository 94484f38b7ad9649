public import AgentMemory
public import MemoryService

/// What was forgotten, or would be, in the members of the reference, and why.
public struct ForgetResponse: APIResponse {
    private let outcome: ForgettingOutcome
    private let isDryRun: Bool

    public init(_ outcome: ForgettingOutcome, isDryRun: Bool) {
        self.outcome = outcome
        self.isDryRun = isDryRun
    }

    public var estimatedBytes: Int { 256 + 96 * outcome.forgotten.count }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("scanned", outcome.scanned)
            writer.member("deleted", outcome.forgotten.count)
            writer.member("deleted_ids", outcome.forgotten.map(\.id))
            writer.member("dry_run", isDryRun)
            writer.name("reasons")
            writer.object { for (id, reason) in outcome.forgotten { $0.member(id, reason.rawValue) } }
            writer.member("operation", outcome.operation)
        }
    }
}
