import AgentMemory
import TestServices
import TestSupport
import Testing

/// 25,000 records through the API: every page, exact totals.
@Suite(.tags(.server)) struct PagingTests {
    @Test(arguments: Store.allCases)
    func `twenty five thousand records are paged whole`(_ store: Store) async throws {
        try await OwnServer.run(store.service) { own in
            try await ServerProcess.run(store.environment(url: own.url)) { server in
                try await Self.expectWholePages(server.client)
            }
        }
    }

    private static func expectWholePages(_ api: RESTClient) async throws {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    for batch in stride(from: writer, to: 50, by: 4) {
                        let memories = (batch * 500..<batch * 500 + 500).map { index -> JSONValue in
                            [
                                "id": .string("r\(index)"), "text": .string("memory number \(index)"),
                                "user_id": .string(index % 25_000 < 900 ? "few" : "many"),
                                "created_at": .int(1_700_000_000 + index / 40),
                            ]
                        }
                        let answer = try await api.create(memories)
                        guard answer.status == 200 else { return answer.status }
                    }
                    return 200
                }
            }
            for try await status in group { #expect(status == 200) }
        }
        #expect(try await api.count() == 25_000)
        let all = Set((0..<25_000).map { "r\($0)" })
        let few = Set((0..<900).map { "r\($0)" })
        try await Self.expectPages(of: all, total: 25_000) { try await api.list(["limit": 100, "offset": .int($0)]) }
        try await Self.expectPages(of: all, total: 25_000) {
            try await api.search(["limit": 100, "offset": .int($0), "recency_boost": false])
        }
        for mode in ["semantic", "keyword", "hybrid"] {
            try await Self.expectPages(of: few, total: 900) {
                try await api.search([
                    "text": "memory number 7", "search_mode": .string(mode), "user_id": ["eq": "few"], "limit": 100,
                    "offset": .int($0),
                    "recency_boost": false,
                ])
            }
        }
    }

    private static func expectPages(
        of expected: Set<String>, total: Int, _ page: (Int) async throws -> RESTClient.Answer
    ) async throws {
        var seen: [String] = []
        var offset: Int? = 0
        while let from = offset {
            let answer = try await page(from)
            try #require(answer.status == 200, "\(answer.detail)")
            #expect(answer.total == total)
            seen += answer.ids
            offset = answer.json["next_offset"]?.intValue
        }
        #expect(seen.count == expected.count)
        #expect(Set(seen) == expected)
    }
}
