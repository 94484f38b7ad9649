import AgentMemory
import Logging
import RedisDriver
import TestServices
import TestSupport
import Testing

@testable import RedisBackend

/// The server behind the address becomes a replica of another one, which the address leads to from
/// then on.
@Suite(.tags(.store)) struct FailoverTests {
    @Test func `writes go on at the server that took over`() async throws {
        try await OwnServer.run(.redis) { first in
            try await OwnServer.run(.redis) { second in
                try await TestStore.run(url: first.url) { old in
                    let successor = try RedisEndpoint(url: second.url)
                    try await SwitchedProxy.run(to: old.endpoint) { proxy, endpoint in
                        let store = TestStore(endpoint: endpoint, name: old.name, client: old.client)
                        try await store.withDatabase { database in
                            try await store.withSessions { sessions in
                                try await store.withQueue { queue in
                                    _ = try await database.add([MemoryRecord(id: "a", text: "tea")])
                                    try await old.client.send(
                                        RedisCommand("REPLICAOF", "127.0.0.1", String(successor.port)))
                                    proxy.lead(to: successor)
                                    try await writesUntilItWorks {
                                        _ = try await database.add([MemoryRecord(id: "b", text: "tea")])
                                    }
                                    #expect(try await database.listed() == ["b"])
                                    let key = try SessionKey(sessionID: "s")
                                    try await writesUntilItWorks {
                                        try await sessions.write(session(key), expecting: .absent, writerStamp: nil)
                                    }
                                    #expect(try await sessions.read(key, lastMessages: nil) != nil)
                                    try await writesUntilItWorks {
                                        _ = try await queue.enqueue([NewJob(kind: "a", payload: [:])])
                                    }
                                    for part in await database.health() + sessions.health() + queue.health() {
                                        #expect(part.isOK, "\(part)")
                                    }
                                }
                            }
                        }
                    }
                    // So that what the test made can be removed.
                    try await old.client.send(RedisCommand("REPLICAOF", "NO", "ONE"))
                }
            }
        }
    }

    /// A connection that has just been made is not given up again, so a few attempts fail.
    private func writesUntilItWorks(_ write: () async throws -> Void) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            do {
                return try await write()
            } catch let error as MemoryError where error.code == .storeUnavailable && .now < deadline {
                continue
            }
        }
    }

    /// Waiting calls are served by the connections that are there, where the server has no room for
    /// further ones.
    @Test func `calls go to the connections that are there`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                let connected = try await store.client.send(RedisCommand("CLIENT", "LIST")).string ?? ""
                let count = connected.split(separator: "\n").count
                try await store.client.send(RedisCommand("CONFIG", "SET", "maxclients", String(count + 1)))
                var configuration = RedisClient.Configuration(endpoint: store.endpoint)
                configuration.connections = 8
                let client = try RedisClient(configuration: configuration, logger: Logger(label: "test"))
                try await client.send(RedisCommand("PING"))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<200 {
                        group.addTask { try await client.send(RedisCommand("SET", "k", "v")) }
                    }
                    try await group.waitForAll()
                }
                await client.close()
                try await store.client.send(RedisCommand("CONFIG", "SET", "maxclients", "1000"))
            }
        }
    }

    /// The deadline of a call is for a call's work; a create of many records has more of it.
    @Test func `a large batch has more time`() async throws {
        #expect(Duration.seconds(1).grown(records: 1000) == .seconds(6))
        #expect(Duration.seconds(1).grown(bytes: 8 << 20) == .seconds(3))
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withDatabase { _ in }
                let database = try store.database(server: { $0.timeout = .seconds(1) })
                let records = try (0..<600).map { try MemoryRecord(id: "r\($0)", text: "text \($0)") }
                let start = ContinuousClock.now
                // Longer than a call may take, and shorter than these may.
                try await store.client.send(RedisCommand("CLIENT", "PAUSE", "1200", "WRITE"))
                #expect(try await database.add(records).count == 600)
                #expect(ContinuousClock.now - start > .seconds(1))
                await database.close()
            }
        }
    }
}
