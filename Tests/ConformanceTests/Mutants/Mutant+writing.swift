import AgentMemory
import Foundation
import ReferenceBackend

extension Mutant {
    static let writingMutants = [
        Mutant("add merges into the old record", caughtBy: "record/R2-replaces-whole", histories: .updates) {
            database in
            let (original, add) = (database.original, database.adding)
            database.adding = { records in
                var merged: [MemoryRecord] = []
                for record in records {
                    merged.append(record.replacing(absentFrom: try await Self.record(record.id, in: original)))
                }
                return try await add(merged)
            }
        },
        Mutant(
            "of an id given twice the first one counts", caughtBy: "record/R2-last-of-a-call-wins", histories: .updates
        ) {
            let add = $0.adding
            $0.adding = { records in
                _ = try await add(records.reversed())
                return records.map(\.id)
            }
        },
        Mutant("texts are trimmed", caughtBy: "record/R4-texts", histories: .updates) {
            $0.store { $0.replacing(text: $0.text.trimmingCharacters(in: .whitespacesAndNewlines)) }
        },
        Mutant("texts are brought to normal form C", caughtBy: "record/R4-texts", histories: .updates) {
            $0.store { $0.replacing(text: $0.text.precomposedStringWithCanonicalMapping) }
        },
        Mutant("dates are kept in whole milliseconds", caughtBy: "record/R4-dates", histories: .updates) {
            $0.store { $0.replacing { Timestamp(microseconds: $0.microseconds / 1000 * 1000) ?? $0 } }
        },
        Mutant("numbers of metadata are doubles", caughtBy: "record/R4-round-trip", histories: .updates) {
            $0.store { $0.replacing(metadata: doubles(.object($0.metadata)).objectValue) }
        },
        Mutant("writes reach other connections late", caughtBy: "durability/R6-second-connection") { database in
            let lag = Lag(ReferenceMemoryDatabase(embedder: database.embedder))
            let (add, update, delete) = (database.adding, database.updating, database.deleting)
            database.adding = { records in
                await lag.add(records)
                return try await add(records)
            }
            database.updating = { updates in
                await lag.update(updates)
                return try await update(updates)
            }
            database.deleting = { ids in
                await lag.delete(ids)
                return try await delete(ids)
            }
            var elsewhere = database
            elsewhere.counting = { await lag.replica.count($0) }
            elsewhere.listing = { await lag.replica.list($0) }
            elsewhere.searching = { try await lag.replica.search($0) }
            database.elsewhere = elsewhere
        },
        Mutant(
            "fields are written before the new text is embedded", caughtBy: "record/R7-embedding-fails",
            histories: .updates
        ) {
            let update = $0.updating
            $0.updating = { updates in
                _ = try await update(
                    updates.map { RecordUpdate(id: $0.id, changes: try $0.changes.without(text: true)) })
                return try await update(updates)
            }
        },
        Mutant(
            "the records of an update are written one by one", caughtBy: "record/R7-embedding-fails",
            histories: .updates
        ) {
            let update = $0.updating
            $0.updating = { updates in
                var ids: Set<ExactString> = []
                for one in updates where try await update([one]) == 1 { ids.insert(ExactString(one.id)) }
                return ids.count
            }
        },
        Mutant("a search without an embedding finds nothing", caughtBy: "record/R7-embedding-fails") {
            let search = $0.searching
            $0.searching = { query in
                do {
                    return try await search(query)
                } catch let error as MemoryError where error.code == .embeddingFailed {
                    return Page(items: [], total: 0, request: query.page)
                }
            }
        },
        Mutant("update creates what it does not find", caughtBy: "update/U1-unknown-id", histories: .updates) {
            database in
            let (original, update, add) = (database.original, database.updating, database.adding)
            database.updating = { updates in
                var created = 0
                for update in updates where try await Self.record(update.id, in: original) == nil {
                    let record = try MemoryRecord(id: update.id, text: update.changes.text ?? "created")
                    created += try await add([record]).count
                }
                return try await update(updates) + created
            }
        },
        Mutant("update does not clear fields", caughtBy: "update/U1-clearing", histories: .updates) {
            let update = $0.updating
            $0.updating = { updates in
                try await update(
                    updates.map { RecordUpdate(id: $0.id, changes: try $0.changes.without(clearing: true)) })
            }
        },
        Mutant("update loses fields that others change", caughtBy: "concurrency/U1-different-fields") { database in
            let (original, add) = (database.original, database.adding)
            database.updating = { updates in
                var changed = 0
                for update in updates {
                    guard var record = try await Self.record(update.id, in: original) else { continue }
                    for _ in 0..<100 { await Task.yield() }
                    record.apply(update.changes)
                    _ = try await add([record])
                    changed += 1
                }
                return changed
            }
        },
        Mutant("an access counts before it is due", caughtBy: "update/U1-access-interval", histories: .updates) {
            let update = $0.updating
            $0.updating = { updates in
                try await update(
                    updates.map { update in
                        guard let access = update.changes.access else { return update }
                        let changes = update.changes
                        return RecordUpdate(
                            id: update.id,
                            changes: try RecordChanges(
                                text: changes.text, sessionID: changes.sessionID, userID: changes.userID,
                                namespace: changes.namespace, topics: changes.topics,
                                access: .init(at: access.at, minimumIntervalSeconds: -1_000_000_000)))
                    })
            }
        },
        Mutant("every update embeds", caughtBy: "update/U2-embeds-only-new-text", histories: .updates) { database in
            let (original, embedder, update) = (database.original, database.embedder, database.updating)
            database.updating = { updates in
                for update in updates {
                    guard let record = try await Self.record(update.id, in: original) else { continue }
                    _ = try await embedder.checkedEmbeddings(of: [record.text])
                }
                return try await update(updates)
            }
        },
        Mutant("delete counts what was not there", caughtBy: "update/D1-delete-counts", histories: .updates) {
            let delete = $0.deleting
            $0.deleting = { ids in
                _ = try await delete(ids)
                return ids.count
            }
        },
        Mutant("count stops at 10,000", caughtBy: "size/C1-count-beyond-10000") {
            let count = $0.counting
            $0.counting = { min(10_000, try await count($0)) }
        },
    ]

    private static func record(_ id: String, in database: ReferenceMemoryDatabase) async throws -> MemoryRecord? {
        let filter = MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: id)])
        return await database.list(ListQuery(filter: filter, page: try PageRequest(limit: 1))).items.first
    }

    /// The value after its numbers have been doubles; small whole numbers are written as such
    /// again.
    private static func doubles(_ value: JSONValue) -> JSONValue {
        switch value {
        case .number(let number):
            return Int(exactly: number.double).map(JSONValue.int) ?? .double(number.double)
        case .array(let elements): return .array(elements.map(doubles))
        case .object(let object):
            var other = JSONObject()
            for member in object.members { other[member.name] = doubles(member.value) }
            return .object(other)
        case .null, .bool, .string: return value
        }
    }
}

/// A copy of a database that is always one write behind.
private actor Lag {
    nonisolated let replica: ReferenceMemoryDatabase
    private var pending: (@Sendable () async -> Void)?

    init(_ replica: ReferenceMemoryDatabase) {
        self.replica = replica
    }

    func add(_ records: [MemoryRecord]) async { await write { [replica] in _ = try? await replica.add(records) } }
    func update(_ updates: [RecordUpdate]) async { await write { [replica] in _ = try? await replica.update(updates) } }
    func delete(_ ids: [String]) async { await write { [replica] in _ = try? await replica.delete(ids) } }

    private func write(_ next: @escaping @Sendable () async -> Void) async {
        let due = pending
        pending = next
        await due?()
    }
}
