public import AgentMemory
import RedisDriver

extension RedisWorkingMemoryStore: SnapshotSessions {
    public func withSessions<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any SessionSnapshot) async throws -> Value
    ) async throws -> Value {
        try await body(RedisSessionSnapshot(self, selection))
    }
}

/// The sessions of a store, each as it is when it is read; those that begin meanwhile may be left
/// out. It needs no index.
private actor RedisSessionSnapshot: SessionSnapshot {
    /// Keys that are held in memory, once or twice.
    private static let keysPerScan = 20_000
    private static let sessionsPerRead = 8

    private struct Place: Comparable {
        let session: SessionKey
        let key: String

        /// Of two documents of one session the one under the plain key counts, as for reads.
        static func < (a: Place, b: Place) -> Bool {
            a.session != b.session ? a.session < b.session : ExactString(a.key) > ExactString(b.key)
        }
    }

    private let store: RedisWorkingMemoryStore
    private let selection: SnapshotSelection
    private var places: ArraySlice<Place> = []
    private var isLastScan = false
    private var last: SessionKey?

    init(_ store: RedisWorkingMemoryStore, _ selection: SnapshotSelection) {
        self.store = store
        self.selection = selection
    }

    func count() -> Int? { nil }

    func next() async throws -> [WorkingMemory] {
        while true {
            try Task.checkCancellation()
            if places.isEmpty {
                guard !isLastScan else { return [] }
                try await scan()
            }
            let group = Array(places.prefix(Self.sessionsPerRead))
            places = places.dropFirst(Self.sessionsPerRead)
            last = group.last?.session ?? last
            let sessions = try await sessions(group)
            if !sessions.isEmpty { return sessions }
        }
    }

    private nonisolated func sessions(_ group: [Place]) async throws -> [WorkingMemory] {
        let replies = try await store.mappingErrors {
            try await store.client.pipeline(group.map { RedisCommand("JSON.GET", $0.key, ".") }, isRead: true)
        }
        return try zip(group, replies).compactMap { place, reply in
            // It may have expired, or be another program's by now.
            guard let text = try? reply.get().string else { return nil }
            let memory = try StoredDocument.session(text, messageCount: 0).memory
            return memory.key == place.session ? memory : nil
        }
    }

    private func scan() async throws {
        var found: [Place] = []
        var cursor = "0"
        isLastScan = true
        repeat {
            try Task.checkCancellation()
            let step = try await scanned(from: cursor)
            found += step.places.filter { place in last.map { $0 < place.session } ?? true }
            cursor = step.next
            if found.count >= 2 * Self.keysPerScan { found = smallest(of: found) }
        } while cursor != "0"
        places = smallest(of: found)[...]
    }

    private func smallest(of places: [Place]) -> [Place] {
        var kept: [Place] = []
        for place in places.sorted() where kept.last?.session != place.session {
            guard kept.count < Self.keysPerScan else {
                isLastScan = false
                break
            }
            kept.append(place)
        }
        return kept
    }

    private nonisolated func scanned(from cursor: String) async throws -> (next: String, places: [Place]) {
        try await store.mappingErrors {
            let (next, keys) = try await store.client.scan(from: cursor, prefix: "\(store.configuration.keyPrefix):")
            return (next, try await selected(keys))
        }
    }

    /// The keys with documents of selected sessions.
    private nonisolated func selected(_ keys: [String]) async throws -> [Place] {
        let replies = try await store.client.pipeline(
            keys.map { RedisCommand("JSON.GET", $0, "$.session_id", "$.namespace", "$.user_id") }, isRead: true)
        return zip(keys, replies).compactMap { key, reply in
            // Values of other types are other programs'.
            guard let text = try? reply.get().string, let parts = try? JSONValue(parsing: text) else { return nil }
            func part(_ name: String) -> String? { parts["$.\(name)"]?.arrayValue?.first?.stringValue }
            guard let sessionID = part("session_id") else { return nil }
            let session = SessionKey(
                storedSessionID: sessionID, namespace: part("namespace"), userID: part("user_id"))
            return !selection.contains(session) ? nil : Place(session: session, key: key)
        }
    }
}
