public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase: SnapshotDatabase {
    public func withSnapshot<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any RecordSnapshot) async throws -> Value
    ) async throws -> Value {
        let field = try await mappingErrors { try await vectorField(selection) }
        let start = makesEvents ? try await mappingErrors { try await lastEvent() } : nil
        return try await body(RedisRecordSnapshot(self, selection, vectorField: field, start: start))
    }

    /// The field with the vectors of the own model. It is found without the index, which a server
    /// that may only be read need not have.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if all vectors are of other models.
    private func vectorField(_ selection: SnapshotSelection) async throws -> String? {
        guard selection.hasVectors else { return nil }
        guard let contents = try await finder.registry.read(client).contents else { return RecordHash.vector }
        guard let own = contents.spaces.usable(for: finder.space) else {
            throw contents.spaces.refusal(of: finder.space)
        }
        return own.vectorField
    }

    /// The number of the last event, found by halves: the smallest rights do not have XREVRANGE.
    ///
    /// - Returns: 0 if there is none. Of events that are written meanwhile, any may be the last.
    private func lastEvent() async throws -> Int {
        func first(after number: Int) async throws -> Int? {
            let range = RedisCommand("XRANGE", eventsKey, "(0-\(number)", "+", "COUNT", "1")
            return try await client.send(range, isRead: true).array?.first.map(EventEntry.event)?.sequence
        }
        var last = 0
        var end = 1
        while let found = try await first(after: end) { (last, end) = (found, 2 * found) }
        while last < end {
            let middle = last + (end - last) / 2
            guard let found = try await first(after: middle) else {
                end = middle
                continue
            }
            last = found
        }
        return last
    }
}

/// The records of a store as they were at its event number ``start``.
///
/// Redis has no snapshots and no order of keys. Keys are therefore scanned several times, each time
/// for the smallest ids that are left, as many as memory should hold. A record that has changed
/// since the start is in the history, by which it is brought back; one that was removed is found
/// there too. Without a history each record is as it was when it was read.
private actor RedisRecordSnapshot: RecordSnapshot {
    /// Ids that are held in memory, once or twice.
    private static let idsPerScan = 100_000
    private static let pageSize = 200
    private static let eventsPerRead = 1000

    nonisolated let isOfOneMoment: Bool
    private let database: RedisMemoryDatabase
    private let selection: SnapshotSelection
    private let vectorField: String?
    private let start: Int?
    /// The last event that was looked at.
    private var seen: Int
    /// Ids with events after the start, as far as they are not behind ``last``.
    private var touched: Set<ExactString> = []
    private var ids: ArraySlice<ExactString> = []
    private var isLastScan = false
    /// The end of the pages so far.
    private var last: ExactString?
    private var isOver = false

    init(_ database: RedisMemoryDatabase, _ selection: SnapshotSelection, vectorField: String?, start: Int?) {
        self.database = database
        self.selection = selection
        self.vectorField = vectorField
        self.start = start
        seen = start ?? 0
        isOfOneMoment = start != nil
    }

    func count() -> Int? { nil }

    func next() async throws -> [SnapshotRecord] {
        while !isOver {
            try Task.checkCancellation()
            if ids.isEmpty, !isLastScan { try await scan() }
            let page = Array(ids.prefix(Self.pageSize))
            ids = ids.dropFirst(Self.pageSize)
            // After the largest id there may still be records that were removed meanwhile.
            let end = ids.isEmpty && isLastScan ? nil : page.last
            let records = try await records(page, until: end)
            last = end ?? last
            isOver = end == nil
            if !records.isEmpty { return records }
        }
        return []
    }

    /// Finds the next ids.
    private func scan() async throws {
        var found: [ExactString] = []
        var cursor = "0"
        isLastScan = true
        repeat {
            try Task.checkCancellation()
            let step = try await scanned(from: cursor)
            for id in step.ids where last.map({ $0 < id }) ?? true { found.append(id) }
            cursor = step.next
            if found.count >= 2 * Self.idsPerScan { found = smallest(of: found) }
        } while cursor != "0"
        ids = smallest(of: found)[...]
    }

    /// The ids in order, each once, as many as are kept.
    private func smallest(of ids: [ExactString]) -> [ExactString] {
        var kept: [ExactString] = []
        for id in ids.sorted() where kept.last != id {
            guard kept.count < Self.idsPerScan else {
                isLastScan = false
                break
            }
            kept.append(id)
        }
        return kept
    }

    private nonisolated func scanned(from cursor: String) async throws -> (next: String, ids: [ExactString]) {
        try await database.mappingErrors {
            let (next, keys) = try await database.scannedKeys(from: cursor)
            return (next, try await selected(keys))
        }
    }

    /// The ids of the keys whose records are selected now.
    private nonisolated func selected(_ keys: [String]) async throws -> [ExactString] {
        let prefix = database.key("").utf8.count
        let ids = keys.map { ExactString(String(decoding: $0.utf8.dropFirst(prefix), as: UTF8.self)) }
        guard !selection.isEverything else { return ids }
        let replies = try await database.client.pipeline(
            keys.map { RedisCommand("HMGET", $0, "namespace", "user_id", "session_id") }, isRead: true)
        return try zip(ids, replies).filter { _, reply in
            let owner = try reply.hashFields().map { value in value.string.flatMap { $0.isEmpty ? nil : $0 } }
            return owner.count == 3
                && selection.contains(namespace: owner[0], userID: owner[1], sessionID: owner[2])
        }.map(\.0)
    }

    /// The records of a page, as they were at the start.
    ///
    /// - Parameter end: the last id of the page; `nil` for all that follow.
    private func records(_ page: [ExactString], until end: ExactString?) async throws -> [SnapshotRecord] {
        var records: [ExactString: SnapshotRecord] = [:]
        for record in try await read(page.map(\.value)).compactMap(\.self) {
            records[ExactString(record.record.id)] = record
        }
        if start != nil {
            // Read after the records: what has changed before they were read is among the events.
            try await followEvents()
            for id in touched where end.map({ id <= $0 }) ?? true {
                touched.remove(id)
                records[id] = try await earlier(id.value)
            }
        }
        return records.values.filter { selection.contains($0.record) }
            .sorted { ExactString($0.record.id) < ExactString($1.record.id) }
    }

    private func followEvents() async throws {
        while true {
            let events = try await database.events(after: seen, limit: Self.eventsPerRead, within: .everything)
            for event in events {
                let id = ExactString(event.id)
                if last.map({ $0 < id }) ?? true { touched.insert(id) }
            }
            seen = events.last?.sequence ?? seen
            guard events.count == Self.eventsPerRead else { return }
        }
    }

    /// The record as it was at the start; `nil` if there was none.
    private func earlier(_ id: String) async throws -> SnapshotRecord? {
        for _ in 0..<20 {
            let latest = try await database.latestEvents(of: [id])
            let current = try await read([id])[0]
            let events = try await eventsSinceStart(of: id)
            // Otherwise the record was changed while it was read.
            guard try await database.latestEvents(of: [id]) == latest else { continue }
            guard let state = events.reduce(current?.record.jsonObject, { $1.undone(from: $0) }) else { return nil }
            let record = try MemoryRecord(json: .object(state), of: "the history")
            let isSameText = current.map { ExactString($0.record.text) == ExactString(record.text) } ?? false
            return SnapshotRecord(record, vector: isSameText ? current?.vector : nil)
        }
        throw MemoryError(.conflict, "the memory \(id) is changed all the time, and cannot be read as it was")
    }

    /// The newest first.
    private func eventsSinceStart(of id: String) async throws -> [MemoryEvent] {
        var found: [MemoryEvent] = []
        var offset: Int? = 0
        while let from = offset {
            let page = try await database.events(
                of: id, within: .everything, page: PageRequest(limit: Self.eventsPerRead, offset: from))
            found += page.items.prefix { $0.sequence > start ?? 0 }
            let isComplete = page.items.isEmpty || page.items.contains { $0.sequence <= start ?? 0 }
            offset = isComplete ? nil : page.nextOffset
        }
        return found
    }

    /// The stored records, with their vectors where these are requested.
    private nonisolated func read(_ ids: [String]) async throws -> [SnapshotRecord?] {
        let commands = ids.map { id in
            var command = database.readCommand(id)
            if let vectorField { command.append(vectorField) }
            return command
        }
        let replies = try await database.mappingErrors {
            try await database.client.pipeline(commands, isRead: true)
        }
        return try replies.map { reply in
            var values = try reply.hashFields()
            guard vectorField != nil, let vector = values.popLast() else {
                return RecordHash.record(from: values).map { SnapshotRecord($0) }
            }
            return RecordHash.record(from: values).map { SnapshotRecord($0, vector: RecordHash.vector(vector)) }
        }
    }
}

extension RecordHash {
    /// The floats of a vector's field; `nil` for one that is missing or has another form.
    fileprivate static func vector(_ value: RedisValue) -> [Float]? {
        guard case .bytes(let bytes) = value, !bytes.isEmpty, bytes.count.isMultiple(of: 4) else { return nil }
        return bytes.withUnsafeBytes { raw in
            (0..<raw.count / 4).map { index in
                let bits = raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
                return Float(bitPattern: UInt32(littleEndian: bits))
            }
        }
    }
}
