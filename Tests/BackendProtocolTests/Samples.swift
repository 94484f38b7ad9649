import AgentMemory
import BackendProtocol

/// One of everything that crosses the border.
enum Samples {
    static func records() throws -> [MemoryRecord] {
        [
            try MemoryRecord(id: "a", text: "tea"),
            try MemoryRecord(
                id: "b/\u{1F375} é", text: "a \"quoted\"\n line \\ of tea", sessionID: "s|1", userID: "auth0|ada",
                namespace: "n,1", memoryType: .episodic, topics: ["drinks", "e\u{301}"], entities: ["Ada"],
                extractedFrom: ["m1"], discreteMemoryExtracted: false, extractionStrategy: "custom",
                extractionStrategyConfig: ["depth": 1.0],
                metadata: [
                    "price": .number(try number("0.1000")), "huge": .number(try number("1e400")), "list": [1, nil],
                ],
                pinned: true, accessCount: 7, createdAt: Timestamp.earliest, lastAccessed: Timestamp.latest,
                persistedAt: .now(), eventDate: Timestamp(microseconds: -1)),
        ]
    }

    /// A number with the digits it was written with.
    private static func number(_ digits: String) throws -> JSONNumber {
        guard case .number(let number) = try JSONValue(parsing: digits) else { throw NotANumber() }
        return number
    }

    private struct NotANumber: Error {}

    static func filter() throws -> MemoryFilter {
        let now = Timestamp.now()
        return MemoryFilter(
            tags: [
                .userID: try TagCondition(field: .userID, eq: "auth0|ada", any: ["auth0|ada", "ben"]),
                .topics: try TagCondition(field: .topics, all: ["drinks", "tea"], none: ["coffee"]),
                .namespace: try TagCondition(field: .namespace, startsWith: "n%_*"),
                .sessionID: try TagCondition(field: .sessionID, ne: "s"),
                .entities: try TagCondition(
                    field: .entities, eq: nil, ne: nil, anyGroups: [["a"], ["b", "c"]], all: nil, none: nil,
                    startsWith: nil),
            ],
            dates: [
                .createdAt: try DateCondition(field: .createdAt, DateCondition.between(.earliest, now)),
                .eventDate: try DateCondition(field: .eventDate, [.init(.ne, now)]),
            ],
            metadata: [
                try MetadataCondition(
                    key: "sou\"rce", eq: MetadataScalar("e\u{301}"),
                    anyGroups: [[MetadataScalar(1.0), MetadataScalar(true)].compactMap(\.self)],
                    none: [MetadataScalar(.number(try number("1e400")))].compactMap(\.self), exists: true,
                    bounds: [.init(.gt, -0.5), .init(.lte, 1e300)]),
                try MetadataCondition(key: "", exists: false),
            ])
    }

    static func requests() throws -> [BackendRequest] {
        let page = try PageRequest(limit: 7, offset: 100_000)
        let rankings: [SearchQuery.Ranking] = [
            .semantic(distanceThreshold: nil), .semantic(distanceThreshold: 0.25), .semanticWithRecency(.standard),
            .keyword(.bm25std), .hybrid(alpha: 0.7, .tfidf),
        ]
        return try [.prepare, .health, .drop, .add(records()), .remove(["a", "b/\u{1F375}"])]
            + [.count(filter()), .count(.everything), .list(ListQuery(filter: filter(), page: page))]
            + rankings.map {
                .search(try SearchQuery(text: "\"green tea\" in C++", ranking: $0, filter: filter(), page: page))
            } + [.update(updates())] + requestsWithBytes(page)
    }

    /// As they are sent to a backend that keeps opaque bytes; an update without a text has none.
    private static func requestsWithBytes(_ page: PageRequest) throws -> [BackendRequest] {
        let ranking = SearchQuery.Ranking.semantic(distanceThreshold: nil)
        return [
            .add(try records(), bytes: [[0, 255, 10], nil]),
            .search(try SearchQuery(text: "tea", ranking: ranking, page: page), wantsBytes: true),
            .update(try updates(), bytes: [[1, 2], nil, nil]),
        ]
    }

    static func updates() throws -> [RecordUpdate] {
        [
            RecordUpdate(
                id: "a",
                changes: try RecordChanges(
                    text: "coffee", sessionID: .set(nil), userID: .set("ben"), memoryType: .message, topics: [],
                    entities: ["x"], extractedFrom: ["m"], discreteMemoryExtracted: false, metadata: ["a": [1, "b"]],
                    pinned: false, eventDate: .set(nil), updatedAt: .now())),
            RecordUpdate(
                id: "b",
                changes: try RecordChanges(
                    namespace: .set("n"), eventDate: .set(.now()), access: .init(at: .now(), minimumIntervalSeconds: 0))
            ),
            RecordUpdate(id: "c", changes: try RecordChanges()),
        ]
    }

    static func hits() throws -> Page<SearchHit> {
        Page(
            items: [
                SearchHit(try records()[0], distance: 0.5),
                SearchHit(try records()[1], distance: 0.75, recencyScore: 0.9),
            ], total: 12, request: try PageRequest(limit: 2))
    }
}
