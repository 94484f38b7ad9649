public import AgentMemory
public import MemoryService

/// A session with its messages, and how much of the context window they take.
public struct SessionResponse: APIResponse {
    private let view: WorkingMemorySessions.View

    public init(_ view: WorkingMemorySessions.View) {
        self.view = view
    }

    public var estimatedBytes: Int { 1024 + 256 * view.session.memory.messages.count }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            view.session.memory.writeMembers(to: &writer)
            writer.member("context_percentage_total_used", view.usage?.totalUsed)
            writer.member("context_percentage_until_summarization", view.usage?.untilSummarization)
        }
    }
}

/// A session after messages were added: without its messages, but with their number.
public struct AppendResponse: APIResponse {
    private let session: StoredSession

    public init(_ session: StoredSession) {
        self.session = session
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            session.memory.writeMembers(to: &writer, withMessages: false)
            writer.member("message_count", session.messageCount)
        }
    }
}

/// A page of the ids of sessions.
public struct SessionListResponse: APIResponse {
    private let ids: Page<String>

    public init(_ ids: Page<String>) {
        self.ids = ids
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("sessions", ids.items)
            writer.member("total", ids.total)
        }
    }
}
