import AgentMemory
import HTTPClient
import MemoryConformance

/// A scope of a server as a database: every call is one or more requests.
struct RESTMemoryDatabase: MemoryVectorDatabase {
    let name = "rest"
    var capabilities: BackendCapabilities { features.capabilities }

    private let connection: RESTConnection
    private let scope: RESTScope
    private let features: ServerFeatures
    private let settling: WriteSettling?

    /// - Parameter settling: waits for each write; `nil` does not wait.
    init(
        _ connection: RESTConnection, scope: RESTScope, features: ServerFeatures, settling: WriteSettling? = nil
    ) {
        self.connection = connection
        self.scope = scope
        self.features = features
        self.settling = settling
    }

    func prepare() async throws {}

    func close() async { await connection.close() }

    // MARK: Writing

    /// - Throws: ``NotApplicable`` for a memory hash of the check's own: the server computes it.
    func add(_ records: [MemoryRecord]) async throws -> [String] {
        guard !records.isEmpty else { return [] }
        var memories: [JSONValue] = []
        for record in records {
            guard record.memoryHash == record.computedHash() else {
                throw NotApplicable("REST has no way to set a memory hash")
            }
            try checkExpiry(isGiven: record.expiresAt != nil)
            memories.append(try memory(record))
        }
        let body: JSONValue = ["memories": .array(memories), "deduplicate": false]
        _ = try await connection.call(.post, "/v1/long-term-memory/", body)
        for record in records { scope.didAdd(record) }
        try await settle(records)
        return records.map(\.id)
    }

    /// Waits until the server returns the records as they were given; of several with one id, the
    /// last.
    private func settle(_ records: [MemoryRecord]) async throws {
        guard let settling else { return }
        var last: [ExactString: MemoryRecord] = [:]
        for record in records { last[ExactString(record.id)] = record }
        for record in last.values {
            let id = try scope.id(record.id)
            try await settling.wait {
                guard let shown = try await stored(id) else { return false }
                return shown.text == record.text && shown.userID == record.userID
                    && shown.sessionID == record.sessionID && shown.topics == record.topics
                    && shown.pinned == record.pinned
            }
        }
    }

    /// The server's record with an id; `nil` for none.
    private func stored(_ id: String) async throws -> MemoryRecord? {
        let answer = try await connection.send(.get, "/v1/long-term-memory/\(Self.percentEncoded(id))")
        if answer.status == 404 { return nil }
        guard answer.status == 200, let body = answer.body else { throw answer.failure }
        return try MemoryRecord(answered: body)
    }

    /// A record in the server's names. Notes them first: if a request has no response, the record
    /// may be stored all the same.
    private func memory(_ record: MemoryRecord) throws -> JSONValue {
        let id = try scope.id(record.id)
        let namespace = try scope.namespace(record.namespace)
        scope.willStore([id])
        scope.willUse(namespace: namespace)
        scope.willHash(
            record,
            storedHash: MemoryHash.compute(
                text: record.text, userID: record.userID, sessionID: record.sessionID, namespace: namespace,
                memoryType: record.memoryType))
        guard var members = try JSONValue(parsing: record.json.bytes).objectValue else { return .null }
        members["id"] = .string(id)
        members["namespace"] = .string(namespace)
        members["memory_hash"] = nil
        members["persisted_at"] = nil
        return .object(members)
    }

    /// One PATCH per record, so one after another and not all or nothing.
    func update(_ updates: [RecordUpdate]) async throws -> Int {
        try checkExpiry(isGiven: updates.contains { $0.changes.expiresAt != .unchanged })
        let edits = try updates.map { update in
            (update: update, id: try scope.id(update.id), body: try EditBody(update.changes, scope))
        }
        var changed: Set<ExactString> = []
        for edit in edits {
            if let namespace = edit.body.namespace { scope.willUse(namespace: namespace) }
            let path = "/v1/long-term-memory/\(Self.percentEncoded(edit.id))"
            let answer = try await connection.send(
                .patch, path, body: Array(JSONValue.object(edit.body.json).jsonText.utf8))
            if answer.status == 404 { continue }
            guard answer.status == 200, let body = answer.body else { throw answer.failure }
            let stored = try MemoryRecord(answered: body)
            scope.didEdit(edit.update.id, at: stored.updatedAt, shownAs: edit.update.changes.updatedAt)
            scope.willHash(try scope.own(stored), storedHash: stored.memoryHash)
            changed.insert(ExactString(edit.id))
            try await settling?.wait { try await self.stored(edit.id)?.updatedAt == stored.updatedAt }
        }
        return changed.count
    }

    func delete(_ ids: [String]) async throws -> Int {
        var names: [String] = []
        for id in ids { names.append(try scope.id(id)) }
        let deleted = try await Self.delete(names, over: connection)
        scope.didRemove(names)
        for name in names { try await settling?.wait { try await stored(name) == nil } }
        return deleted
    }

    /// Deletes records by their ids on the server; in several requests if the ids are too long for
    /// one URL.
    ///
    /// - Returns: how many the server reports as removed.
    static func delete(_ ids: [String], over connection: RESTConnection) async throws -> Int {
        var deleted = 0
        var query = ""
        for (index, id) in ids.enumerated() {
            query += (query.isEmpty ? "?" : "&") + "memory_ids=" + percentEncoded(id)
            guard query.utf8.count > 6000 || index == ids.count - 1 else { continue }
            let answer = try await connection.call(.delete, "/v1/long-term-memory" + query)
            let words = (answer["status"]?.stringValue ?? "").split(separator: " ")
            guard let count = words.lazy.compactMap({ Int($0) }).first else {
                throw MemberReader(answer: answer).unreadable("status")
            }
            deleted += count
            query = ""
        }
        return deleted
    }

    /// A server of an older version takes the member and ignores it.
    private func checkExpiry(isGiven: Bool) throws {
        guard isGiven, !capabilities.expiry else { return }
        throw MemoryError(.unsupported, "the server does not support expires_at", path: [.key("expires_at")])
    }

    // MARK: Reading

    func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try capabilities.check(query.filter, backend: name)
        if !features.hasListing, let id = query.filter.soleID { return try await record(id, query.page) }
        var body = try scope.body(query.filter, hasRecordFilters: features.hasListing)
        if !features.hasListing { body["recency_boost"] = false }
        let route = features.hasListing ? "list" : "search"
        return try await pages(query.page) { try await self.page(route, body, $0) { try self.record($0) } }
    }

    func count(_ filter: MemoryFilter) async throws -> Int {
        try capabilities.check(filter, backend: name)
        guard features.hasListing else {
            return try await list(ListQuery(filter: filter, page: PageRequest(limit: 1))).total
        }
        let body = try scope.body(filter, hasRecordFilters: true)
        let answer = try await connection.call(.post, "/v1/long-term-memory/count", .object(body))
        return try MemberReader(answer: answer).required("count", \.intValue)
    }

    /// - Throws: ``NotApplicable`` for a page that takes several requests of different depths: they
    ///   need not fit together (rule P5).
    func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        // A server without it takes its parameters and ignores them.
        if case .blended = query.ranking { try capabilities.check(query.ranking, backend: name) }
        try capabilities.check(query.filter, backend: name)
        var body = try scope.body(query.filter, hasRecordFilters: features.hasListing)
        for (name, value) in Self.parameters(query).members { body[name] = value }
        return try await pages(query.page) { request in
            let page = try await self.page("search", body, request) { try self.hit($0) }
            let isKeyword = if case .keyword = query.ranking { true } else { false }
            if !isKeyword, page.total > SearchDepth.exactZone, SearchDepth(request) != query.depth {
                throw NotApplicable(
                    "REST returns 100 results per page, and pages of several depths need not fit together")
            }
            return page
        }
    }

    /// The record with an id, from the route that the reference has too.
    private func record(_ id: String, _ page: PageRequest) async throws -> Page<MemoryRecord> {
        guard let stored = try await stored(scope.id(id)) else { return Page(items: [], total: 0, request: page) }
        return Page(items: page.offset == 0 ? [try scope.own(stored)] : [], total: 1, request: page)
    }

    /// The results of `page`, joined from requests of at most 100. The response to a single request
    /// is not changed.
    private func pages<Item>(
        _ page: PageRequest, _ fetch: (PageRequest) async throws -> Page<Item>
    ) async throws -> Page<Item> {
        let largest = 100
        guard page.limit > largest else { return try await fetch(page) }
        var items: [Item] = []
        var total: Int?
        while true {
            let (offset, overflow) = page.offset.addingReportingOverflow(items.count)
            let request = try PageRequest(
                limit: min(largest, page.limit - items.count), offset: overflow ? .max : offset)
            let next = try await fetch(request)
            items += next.items
            let known = total ?? next.total
            // Joined by the number of results, not by next_offset, because the checks of
            // next_offset must see a wrong one.
            if next.items.count < request.limit || items.count == page.limit {
                return Page(items: items, total: known, nextOffset: next.nextOffset)
            }
            total = known
        }
    }

    private func page<Item>(
        _ route: String, _ body: JSONObject, _ page: PageRequest, _ item: (JSONValue) throws -> Item
    ) async throws -> Page<Item> {
        var body = body
        body["limit"] = .int(page.limit)
        body["offset"] = .int(page.offset)
        let answer = try await connection.call(.post, "/v1/long-term-memory/\(route)", .object(body))
        let reader = MemberReader(answer: answer)
        return Page(
            items: try reader.required("memories", \.arrayValue).map(item),
            total: try reader.required("total", \.intValue),
            nextOffset: try reader.optional("next_offset", \.intValue))
    }

    private func record(_ json: JSONValue) throws(MemoryError) -> MemoryRecord {
        try scope.own(try MemoryRecord(answered: json))
    }

    private func hit(_ json: JSONValue) throws(MemoryError) -> SearchHit {
        let reader = MemberReader(answer: json)
        let type = try reader.optional("score_type") { $0.stringValue.flatMap(SearchHit.ScoreType.init) }
        return SearchHit(
            try record(json), distance: try reader.required("dist", \.doubleValue),
            score: try reader.optional("score", \.doubleValue), scoreType: type)
    }

    private static func parameters(_ query: SearchQuery) -> JSONObject {
        var body: JSONObject = ["text": .string(query.text), "recency_boost": false]
        switch query.ranking {
        case .semantic(let threshold):
            if let threshold { body["distance_threshold"] = .double(threshold) }
        case .semanticWithRecency(let weights):
            body["server_side_recency"] = true
            body["recency_semantic_weight"] = .double(weights.semantic)
            body["recency_recency_weight"] = .double(weights.recency)
            body["recency_freshness_weight"] = .double(weights.freshness)
            body["recency_novelty_weight"] = .double(weights.novelty)
            body["recency_half_life_last_access_days"] = .double(weights.halfLifeLastAccessDays)
            body["recency_half_life_created_days"] = .double(weights.halfLifeCreatedDays)
        case .keyword(let scorer):
            body["search_mode"] = "keyword"
            body["text_scorer"] = .string(scorer.rawValue)
        case .hybrid(let alpha, let scorer):
            body["search_mode"] = "hybrid"
            body["hybrid_alpha"] = .double(alpha)
            body["text_scorer"] = .string(scorer.rawValue)
            for weight in ["late_interaction", "context_weight", "date_weight"] { body[weight] = 0 }
        case .blended(let ranking):
            if case .hybrid(let alpha, let scorer) = ranking.base {
                body["search_mode"] = "hybrid"
                body["hybrid_alpha"] = .double(alpha)
                body["text_scorer"] = .string(scorer.rawValue)
            }
            body["late_interaction"] = .double(ranking.lateInteraction)
            body["context_weight"] = .double(ranking.contextWeight)
            body["date_weight"] = .double(ranking.dateWeight)
        }
        return body
    }

    // MARK: Health

    /// The state in `/v1/ready`; for a server without that route, whether it responds to a search.
    func health() async -> [ComponentHealth] {
        do {
            let answer = try await connection.send(.get, "/v1/ready")
            if let components = answer.body?["components"]?.objectValue {
                return components.members.map { name, state in
                    let isOK = state["status"] == "ok"
                    return ComponentHealth(
                        name, reason: isOK ? nil : state["reason"]?.stringValue ?? "unavailable",
                        version: state["version"]?.stringValue)
                }
            }
            _ = try await count(.everything)
            return [ComponentHealth("store")]
        } catch {
            return [ComponentHealth("store", reason: (error as? MemoryError)?.message ?? "\(error)")]
        }
    }

    /// Everything but letters, digits and `-._~` as `%hh`.
    static func percentEncoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default: encoded += byte < 16 ? "%0\(String(byte, radix: 16))" : "%\(String(byte, radix: 16))"
            }
        }
        return encoded
    }
}
