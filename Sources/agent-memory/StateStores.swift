import AgentMemory

/// The stores of everything except long-term memory.
struct StateStores {
    let sessions: any WorkingMemoryStore
    let jobs: any JobQueue
    let tokens: any TokenStore
    let documents: any DocumentStore
    /// The history of a loaded backend; `nil` with a built-in one, which has its own.
    let events: (any EventStore)?

    func close() async {
        await sessions.close()
        await jobs.close()
        await tokens.close()
        await documents.close()
        await events?.close()
    }
}
