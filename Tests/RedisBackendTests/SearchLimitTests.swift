import AgentMemory
import RedisDriver
import TestServices
import TestSupport
import Testing

@testable import RedisBackend

/// The engine's MAXSEARCHRESULTS and MAXAGGREGATERESULTS, beyond which it answers an error, or
/// short.
@Suite(.tags(.store)) struct SearchLimitTests {
    private static let names = ["MAXSEARCHRESULTS", "MAXAGGREGATERESULTS"]

    private func fill(_ database: RedisMemoryDatabase) async throws {
        _ = try await database.add(
            (0..<40).map { try MemoryRecord(id: "r\(10 + $0)", text: "tea \($0)", userID: "u") })
    }

    @Test func `pages are whole whatever the server was set to`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withDatabase { database in
                    try await fill(database)
                    for name in Self.names {
                        for ranking in [.semantic(distanceThreshold: nil), .keyword(.bm25std)]
                            as [SearchQuery.Ranking]
                        {
                            // While the server runs, by another program.
                            try await store.client.send(RedisCommand("FT.CONFIG", "SET", name, "10"))
                            #expect(try await database.ids("tea", ranking, limit: 20, offset: 20).count == 20)
                        }
                        try await store.client.send(RedisCommand("FT.CONFIG", "SET", name, "10"))
                        #expect(try await database.listed(limit: 20, offset: 15).count == 20)
                    }
                    try await store.withSessions { sessions in
                        for i in 10..<40 {
                            try await sessions.write(
                                session(SessionKey(sessionID: "s\(i)")), expecting: .absent, writerStamp: nil)
                        }
                        try await store.client.send(RedisCommand("FT.CONFIG", "SET", "MAXAGGREGATERESULTS", "10"))
                        let page = try await sessions.sessionIDs(
                            namespace: nil, userID: nil, page: PageRequest(limit: 15, offset: 15))
                        #expect(page.items.count == 15 && page.total == 30)
                    }
                }
            }
        }
    }

    @Test func `pages that would be short are refused`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withDatabase { try await fill($0) }
                try await store.client.send(
                    RedisCommand("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-ft.config", "-config"))
                for name in Self.names {
                    try await store.client.send(RedisCommand("FT.CONFIG", "SET", name, "30"))
                    let database = try store.database(server: {
                        $0.endpoint.user = "u"
                        $0.endpoint.password = "p"
                    })
                    try await database.prepare()
                    #expect(try await database.listed(limit: 10, offset: 20).count == 10)
                    #expect(try await database.listed(limit: 20, offset: 100).isEmpty)
                    for (limit, offset) in [(20, 20), (1, 39)] {
                        let error = await #expect(throws: MemoryError.self) {
                            try await database.listed(limit: limit, offset: offset)
                        }
                        #expect(error?.code == .unsupported && error?.message.contains(name) == true)
                    }
                    let health = await database.health()
                    #expect(health.map(\.isOK) == [true, true] && health[1].warning?.contains(name) == true)
                    await database.close()
                    try await store.client.send(RedisCommand("FT.CONFIG", "SET", name, "1000000"))
                }
            }
        }
    }

    @Test func `the limits are read from every place`() {
        let no = RedisValue.error(RedisError(server: "NOPERM no"))
        let denied = Array(repeating: no, count: EngineSettings.commands.count - 1)
        func settings(_ info: String) -> EngineSettings {
            EngineSettings(replies: denied + [.bytes(Array(info.utf8))])
        }
        #expect(settings("") == EngineSettings())
        let all = """
            search_timeout_policy:fail\r
            search_minimal_term_prefix:1\r
            search_maximal_prefix_expansions:1000000000\r
            search_max_search_results:5000\r
            search_max_aggregate_results:-1\r
            """
        #expect(
            settings(all) == EngineSettings(failsOnTimeout: true, completesPrefixes: true, maximumResults: 5000))
        #expect(settings("search_max_search_results:-1").maximumResults == EngineSettings.unlimited)
        #expect(settings("search_max_search_results:99999999999999999999").maximumResults == EngineSettings.unlimited)
        #expect(settings("search_max_aggregate_results:7").maximumResults == 7)
    }

    @Test func `no window overflows`() {
        let commands = SearchCommands(index: "i", timeout: 0, algorithm: .flat)
        for window in [
            SearchCommands.Window(offset: .max, limit: 1), .init(offset: 1, limit: .max), .init(limit: .max),
        ] {
            let error = #expect(throws: MemoryError.self) { try commands.newest(QueryText(), window) }
            #expect(error?.code == .unsupported)
        }
    }
}
