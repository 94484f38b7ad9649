import AgentMemory
import ReferenceBackend
import Synchronization

/// The contract in memory as a backend that ranks no blended search itself, and keeps opaque bytes:
/// what a loaded backend is to the server. Single rules of the bytes can be broken.
final class KeepingDatabase: OpaqueBytesDatabase {
    enum Fault: String, CaseIterable {
        case keepsThoseOfOldTexts, losesThemInUpdates, returnsThoseOfTheFirstPage, cutsThem, forgetsToReplaceThem
    }

    let name = "keeping"
    let capabilities = BackendCapabilities(opaqueBytes: true, textScorers: TextScorer.offered)
    let embedder: any Embedder
    private let original: ReferenceMemoryDatabase
    private let fault: Fault?
    private let bytes = Mutex<[ExactString: [UInt8]]>([:])

    init(embedder: any Embedder, fault: Fault? = nil) {
        self.embedder = embedder
        self.fault = fault
        original = ReferenceMemoryDatabase(embedder: embedder)
    }

    func prepare() {}
    func run() async throws { try await original.run() }
    func close() {}
    func health() async -> [ComponentHealth] { await original.health() }
    func list(_ query: ListQuery) async throws -> Page<MemoryRecord> { await original.list(query) }
    func count(_ filter: MemoryFilter) async throws -> Int { await original.count(filter) }

    func delete(_ ids: [String]) async throws -> Int {
        let deleted = try await original.delete(ids)
        for id in ids { keep(nil, of: id) }
        return deleted
    }

    private func keep(_ given: [UInt8]?, of id: String) {
        bytes.withLock { $0[ExactString(id)] = fault == .cutsThem ? given.map { $0.filter { $0 != 0 } } : given }
    }

    func add(_ records: [MemoryRecord], bytes given: [[UInt8]?]) async throws -> [String] {
        let ids = try await original.add(records)
        for (record, bytes) in zip(records, given) {
            if fault == .forgetsToReplaceThem, bytes == nil { continue }
            keep(bytes, of: record.id)
        }
        return ids
    }

    func update(_ updates: [RecordUpdate], bytes given: [[UInt8]?]) async throws -> Int {
        let all = await original.list(
            ListQuery(page: try PageRequest(limit: PageRequest.maximumLimit))
        ).items
        let stored = Dictionary(uniqueKeysWithValues: all.map { (ExactString($0.id), $0) })
        let changed = try await original.update(updates)
        var ofTexts: [ExactString: [UInt8]] = [:]
        for (update, bytes) in zip(updates, given) {
            if let text = update.changes.text { ofTexts[ExactString(text)] = bytes }
        }
        for change in UpdateFold(updates, stored: stored).changes {
            if let text = change.applied.last(where: { $0.text != nil })?.text {
                if fault != .keepsThoseOfOldTexts { keep(ofTexts[ExactString(text)], of: change.id) }
            } else if fault == .losesThemInUpdates {
                keep(nil, of: change.id)
            }
        }
        return changed
    }

    func searchWithBytes(_ query: SearchQuery) async throws -> (page: Page<SearchHit>, bytes: [[UInt8]?]) {
        try capabilities.check(query.ranking, backend: name)
        let page = try await original.search(query)
        var shown = page.items.map(\.record.id)
        if fault == .returnsThoseOfTheFirstPage {
            let first = try SearchQuery(
                text: query.text, ranking: query.ranking, filter: query.filter,
                page: PageRequest(limit: query.page.limit))
            shown = try await original.search(first).items.map(\.record.id)
        }
        return (page, bytes.withLock { kept in shown.map { kept[ExactString($0)] } })
    }
}
