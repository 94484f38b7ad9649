public import AgentMemory
public import MemoryService

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
    private let writeMembers: (_ index: Int, inout JSONWriter) -> Void
    private let reranking: Reranking.Outcome?
    private let optimization: QueryOptimization.Outcome?

    public init(_ page: Page<Item>) where Item == MemoryRecord {
        self.page = page
        writeMembers = { page.items[$0].writeMembers(to: &$1) }
        reranking = nil
        optimization = nil
    }

    public init(_ found: FoundMemories) where Item == SearchHit {
        page = found.page
        writeMembers = { found.writeMembers(at: $0, to: &$1) }
        reranking = found.reranking
        optimization = found.optimization
    }

    public var estimatedBytes: Int { 256 + 1024 * page.items.count }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("memories")
            writer.array { writer in
                for index in page.items.indices { writer.object { writeMembers(index, &$0) } }
            }
            writer.member("total", page.total)
            writer.member("next_offset", page.nextOffset)
            switch reranking {
            case .done: writer.member("reranked", true)
            case .left(let reason):
                writer.member("reranked", false)
                writer.member("not_reranked_reason", reason)
            case nil: break
            }
            switch optimization {
            case .rewritten(let text): writer.member("optimized_query", text)
            case .left(let reason): writer.member("not_optimized_reason", reason)
            case nil: break
            }
        }
    }
}

extension FoundMemories {
    /// Those of a hit with what was found out about it.
    func writeMembers(at index: Int, to writer: inout JSONWriter) {
        let hit = items[index]
        hit.writeMembers(to: &writer)
        if let score = reranking?.score(of: hit) { writer.member("rerank_score", score) }
        guard let around = neighbors?[index] else { return }
        writer.name("neighbors")
        writer.object { writer in
            for (name, memories) in [("before", around.before), ("after", around.after)] {
                writer.name(name)
                writer.array { writer in
                    for memory in memories {
                        writer.object { writer in
                            writer.member("id", memory.id)
                            writer.member("text", memory.text)
                        }
                    }
                }
            }
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
