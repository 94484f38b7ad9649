import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryService

/// The routes under /v1/long-term-memory.
struct LongTermMemoryController: Sendable {
    let memory: LongTermMemory
    let body: RequestBody
    let now: @Sendable () -> Timestamp

    func create(_ request: Request) async throws -> Response {
        let create = try CreateRequest(try await body.json(request), now: now())
        try await memory.create(create.records, deduplicate: create.deduplicate)
        return .status("ok")
    }

    func search(_ request: Request, _ query: QueryParameters) async throws -> Response {
        try SearchRequest.check(query)
        let page = try await memory.search(try SearchRequest.read(try await body.json(request)))
        return Self.response(page) { $1.writeMembers(to: &$0) }
    }

    func list(_ request: Request) async throws -> Response {
        let page = try await memory.list(try SearchRequest.readList(try await body.json(request)))
        return Self.response(page) { $1.writeMembers(to: &$0) }
    }

    func count(_ request: Request) async throws -> Response {
        let count = try await memory.count(try SearchRequest.readCount(try await body.json(request)))
        return .json { writer in
            writer.object { writer in
                writer.name("count")
                writer.int(count)
            }
        }
    }

    func get(id: String) async throws -> Response {
        Self.response(try await memory.record(id: id))
    }

    func edit(_ request: Request, id: String) async throws -> Response {
        let edit = try EditRequest(try await body.json(request))
        return Self.response(
            try await memory.edit(id: id) { now throws(MemoryError) in try edit.changes(updatedAt: now) })
    }

    func delete(_ query: QueryParameters) async throws -> Response {
        let deleted = try await memory.delete(ids: query.all("memory_ids"))
        return .status("ok, deleted \(deleted) memories")
    }

    private static func response(_ record: MemoryRecord) -> Response {
        .json { writer in
            writer.object { record.writeMembers(to: &$0) }
        }
    }

    private static func response<Item>(_ page: Page<Item>, _ write: (inout JSONWriter, Item) -> Void) -> Response {
        .json(capacity: 256 + 1024 * page.items.count) { writer in
            writer.object { writer in
                writer.name("memories")
                writer.array { writer in
                    for item in page.items { writer.object { write(&$0, item) } }
                }
                writer.name("total")
                writer.int(page.total)
                writer.name("next_offset")
                if let next = page.nextOffset { writer.int(next) } else { writer.null() }
            }
        }
    }
}
