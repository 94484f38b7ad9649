public import AgentMemory

/// A page of the events of one memory, newest first.
public struct HistoryResponse: APIResponse {
    private let page: Page<MemoryEvent>

    public init(_ page: Page<MemoryEvent>) {
        self.page = page
    }

    public var estimatedBytes: Int { 256 + 1024 * page.items.count }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("events")
            writer.array { for event in page.items { event.write(to: &$0) } }
            writer.member("total", page.total)
            writer.member("next_offset", page.nextOffset)
        }
    }
}

/// A part of the events of all memories, oldest first, and where the next part begins.
public struct FeedResponse: APIResponse {
    private let events: [MemoryEvent]
    private let after: Int

    /// - Parameter after: the number that the request gave.
    public init(_ events: [MemoryEvent], after: Int) {
        self.events = events
        self.after = after
    }

    public var estimatedBytes: Int { 256 + 1024 * events.count }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("events")
            writer.array { for event in events { event.write(to: &$0) } }
            writer.member("next_after", events.last?.sequence ?? after)
        }
    }
}

/// The memory after it was restored; `null` if it is deleted again.
public struct RestoreResponse: APIResponse {
    private let record: MemoryRecord?

    public init(_ record: MemoryRecord?) {
        self.record = record
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("status", record == nil ? "deleted" : "restored")
            writer.name("memory")
            if let record { writer.object { record.writeMembers(to: &$0) } } else { writer.null() }
        }
    }
}
