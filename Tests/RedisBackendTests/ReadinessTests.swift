import AgentMemory
import Foundation
import Logging
import RedisDriver
import TestServices
import TestSupport
import Testing

@testable import RedisBackend

/// Readiness proves a write: a server that answers reads alone is not ready, and says why.
@Suite(.serialized, .tags(.store)) struct ReadinessTests {
    private func health(_ body: (TestStore, () async -> [ComponentHealth]) async throws -> Void) async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withDatabase { database in
                    try await store.withSessions { sessions in
                        try await store.withQueue { queue in
                            try await body(store) {
                                await database.health() + sessions.health() + queue.health()
                            }
                        }
                    }
                }
            }
        }
    }

    /// What each refuses is refused by all three stores, and the index is not to blame.
    private func expectRefusal(_ parts: [ComponentHealth], _ word: String) {
        #expect(parts.map(\.component) == ["store", "index", "sessions", "jobs"])
        for part in parts where part.component != "index" {
            #expect(part.reason?.hasPrefix("takes no writes: ") == true, "\(part)")
            #expect(part.reason?.contains(word) == true, "\(part)")
        }
        #expect(parts.dropFirst().first?.isOK == true)
    }

    @Test func `says why a server takes no writes`() async throws {
        try await health { store, health in
            let isReady = await health().allSatisfy(\.isOK)
            #expect(isReady)
            for (setting, value, usual, word) in [
                ("min-replicas-to-write", "1", "0", "NOREPLICAS"), ("maxmemory", "1", "0", "OOM"),
            ] {
                try await store.client.send(RedisCommand("CONFIG", "SET", setting, value))
                expectRefusal(await health(), word)
                try await store.client.send(RedisCommand("CONFIG", "SET", setting, usual))
                let isReady = await health().allSatisfy(\.isOK)
                #expect(isReady, "\(setting)")
            }
            try await store.client.send(RedisCommand("REPLICAOF", "127.0.0.1", "1"))
            expectRefusal(await health(), "READONLY")
            try await store.client.send(RedisCommand("REPLICAOF", "NO", "ONE"))
            // A folder stands where the file should be.
            let reply = try await store.client.send(RedisCommand("CONFIG", "GET", "dir"))
            let folder = try #require(reply.array?.last?.string)
            try FileManager.default.createDirectory(
                atPath: folder + "/dump.rdb/inside", withIntermediateDirectories: true)
            try await store.client.send(RedisCommand("CONFIG", "SET", "save", "3600 1000000"))
            try await store.client.send(RedisCommand("BGSAVE"))
            for _ in 0..<100_000 {
                let info = try await store.client.send(RedisCommand("INFO", "persistence")).string ?? ""
                if info.contains("rdb_last_bgsave_status:err") { break }
            }
            expectRefusal(await health(), "MISCONF")
            // Nothing is left of the proofs.
            let left = try await store.client.send(RedisCommand("KEYS", "*ready*"))
            #expect(left.array?.isEmpty == true)
        }
    }

    @Test func `warns where the server may evict`() async throws {
        try await health { store, health in
            let warnings = await health().map(\.warning)
            #expect(warnings == [nil, nil, nil, nil])
            try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory-policy", "volatile-lru"))
            let parts = await health()
            #expect(parts.map(\.isOK) == [true, true, true, true])
            for part in parts where part.component == "store" || part.component == "sessions" {
                #expect(part.warning?.contains("maxmemory-policy volatile-lru") == true)
            }
        }
    }
}
