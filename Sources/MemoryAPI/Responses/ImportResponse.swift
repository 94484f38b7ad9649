public import AgentMemory
public import MemoryService

/// What an import has done.
public struct ImportResponse: APIResponse {
    private let outcome: ImportOutcome

    public init(_ outcome: ImportOutcome) {
        self.outcome = outcome
    }

    public func write(to writer: inout JSONWriter) {
        func counts(_ counts: ImportOutcome.Counts, _ writer: inout JSONWriter) {
            writer.object { writer in
                writer.member("added", counts.added)
                writer.member("replaced", counts.replaced)
                writer.member("skipped", counts.skipped)
            }
        }
        writer.object { writer in
            writer.member("operation", outcome.isDryRun ? nil : outcome.operation)
            writer.member("dry_run", outcome.isDryRun)
            writer.member("consistent", outcome.isConsistent)
            writer.member("memories") { counts(outcome.records, &$0) }
            writer.member("sessions") { counts(outcome.sessions, &$0) }
        }
    }
}
