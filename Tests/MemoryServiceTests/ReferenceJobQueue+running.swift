import AgentMemory
import MemoryService
import ReferenceBackend
import Testing

extension ReferenceJobQueue {
    /// Runs every job that is due with its handler, as a worker does, once.
    ///
    /// - Returns: how many there were.
    func runDue(_ handler: some JobHandler) async throws -> Int {
        let leased = lease(kinds: [handler.kind], limit: 1000, for: .seconds(60))
        for job in leased {
            try await handler.run(job, isLastAttempt: false)
            #expect(complete(job))
        }
        return leased.count
    }
}
