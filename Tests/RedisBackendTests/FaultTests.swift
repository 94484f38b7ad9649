import AgentMemory
import Foundation
import RedisDriver
import TestServices
import TestSupport
import Testing

@testable import RedisBackend

/// A server of our own that is killed, comes back empty, is frozen, or runs out of memory.
@Suite(.serialized, .tags(.store)) struct FaultTests {
    @Test func `works again after the server came back empty`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                let database = try store.database(server: { $0.timeout = .seconds(3) })
                _ = try await database.add([MemoryRecord(id: "a", text: "text")])
                #expect(try await database.ids("text") == ["a"])
                try await server.crash()
                for _ in 0..<3 {
                    let read = await failureCode { _ = try await database.ids("text") }
                    #expect(read == .storeUnavailable)
                }
                let write = await failureCode { _ = try await database.add([MemoryRecord(id: "x", text: "x")]) }
                #expect(write == .storeUnavailable)
                #expect(await database.health().contains { $0.component == "store" && !$0.isOK })
                try await server.restart()
                #expect(try await database.ids("text").isEmpty)
                try await server.crash()
                try await server.restart()
                // This time eight writes come first.
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for i in 0..<8 {
                        group.addTask {
                            // A write on a connection that turns out to be broken fails, and its
                            // caller tries again.
                            for _ in 0..<5 {
                                let failure = await failureCode {
                                    _ = try await database.add([MemoryRecord(id: "r\(i)", text: "text")])
                                }
                                if failure == nil { break }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(try await database.count(.everything) == 8)
                // The settings are there again too: a restart forgets them.
                let mode = try await database.client.send(RedisCommand("FT.CONFIG", "GET", "ON_TIMEOUT"))
                #expect(mode.array?.first?.array?.last?.string == "fail")
                await database.close()
            }
        }
    }

    @Test func `says when the server does not answer`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                let database = try store.database(server: { $0.timeout = .seconds(1) })
                _ = try await database.add([MemoryRecord(id: "a", text: "text")])
                try server.signal(SIGSTOP)
                let start = ContinuousClock.now
                #expect(await failureCode { _ = try await database.ids("text") } == .timedOut)
                #expect(await failureCode { _ = try await database.count(.everything) } != nil)
                #expect(ContinuousClock.now - start < .seconds(6))
                try server.signal(SIGCONT)
                #expect(try await database.ids("text") == ["a"])
                await database.close()
            }
        }
    }

    @Test func `holds reads back while the index is built`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withDatabase { database in
                    for start in stride(from: 0, to: 20_000, by: 2000) {
                        _ = try await database.add(
                            (start..<start + 2000).map { try MemoryRecord(id: "r\($0)", text: "text \($0)") })
                    }
                }
                try await store.dropIndexes()
                // While the engine scans the hashes the answer is the whole truth or none.
                let database = try store.database()
                var refused = 0
                while true {
                    do {
                        #expect(try await database.count(.everything) == 20_000)
                        break
                    } catch let error as MemoryError where error.code == .storeUnavailable {
                        refused += 1
                        #expect(error.message.contains("being built"))
                        try #require(refused < 100)
                    }
                }
                await database.close()
            }
        }
    }

    @Test func `says when memory runs out`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withDatabase { database in
                    _ = try await database.add([MemoryRecord(id: "a", text: "text")])
                    try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory", "1"))
                    let records = [try MemoryRecord(id: "a", text: "other"), try MemoryRecord(id: "b", text: "b")]
                    #expect(await failureCode { _ = try await database.add(records) } == .storeUnavailable)
                    #expect(
                        await failureCode {
                            _ = try await database.update([RecordUpdate(id: "a", changes: RecordChanges(pinned: true))])
                        } == .storeUnavailable)
                    #expect(try await store.hash("a")["text"] == "text")
                    _ = try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory", "0"))
                    _ = try await database.add([try MemoryRecord(id: "c", text: "c")])
                    try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory", "1"))
                    #expect(try await database.delete(["c"]) == 1)
                    try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory", "0"))
                    #expect(try await database.count(.everything) == 1)
                }
            }
        }
    }

    @Test func `reports queries that run out of time`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withDatabase { database in
                    for start in stride(from: 0, to: 30_000, by: 3000) {
                        _ = try await database.add(
                            (start..<start + 3000).map { try MemoryRecord(id: "r\($0)", text: "text \($0)") })
                    }
                    let commands = SearchCommands(index: store.index, timeout: 1, algorithm: .hnsw)
                    let error = await #expect(throws: RedisError.self) {
                        try await database.client.send(
                            try commands.newest(QueryText(), .init(offset: 25_000, limit: 1000)))
                    }
                    #expect(error?.memoryError.code == .timedOut)
                    // Deep pages are whole.
                    let deep = try await database.listed(limit: 1000, offset: 29_000)
                    #expect(deep.count == 1000)
                }
            }
        }
    }
}
