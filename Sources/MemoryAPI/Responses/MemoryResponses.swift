public import AgentMemory

/// One memory.
public struct RecordResponse: APIResponse {
    private let record: MemoryRecord

    public init(_ record: MemoryRecord) {
        self.record = record
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { record.writeMembers(to: &$0) }
    }
}

/// A page of memories, with the rank of each if they were searched for.
public struct MemoryPageResponse<Item: Sendable>: APIResponse {
    private let page: Page<Item>
    private let writeMembers: (Item, inout JSONWriter) -> Void

    public init(_ page: Page<Item>) where Item == MemoryRecord {
        self.page = page
        writeMembers = { $0.writeMembers(to: &$1) }
    }

    public init(_ page: Page<Item>) where Item == SearchHit {
        self.page = page
        writeMembers = { $0.writeMembers(to: &$1) }
    }

    public var estimatedBytes: Int { 256 + 1024 * page.items.count }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("memories")
            writer.array { writer in
                for item in page.items { writer.object { writeMembers(item, &$0) } }
            }
            writer.member("total", page.total)
            writer.member("next_offset", page.nextOffset)
        }
    }
}

/// How many memories a filter matches.
public struct CountResponse: APIResponse {
    private let count: Int

    public init(_ count: Int) {
        self.count = count
    }

    public func write(to writer: inout JSONWriter) {
        writer.object { $0.member("count", count) }
    }
}
