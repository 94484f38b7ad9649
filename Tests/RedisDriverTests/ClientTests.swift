import Foundation
import Logging
import RedisDriver
import TestServices
import TestSupport
import Testing

/// Calls to a real server.
@Suite(.tags(.store)) struct ClientTests {
    private static func endpoint() throws -> RedisEndpoint { try RedisEndpoint(url: SharedServer.redisURL()) }

    private func withClient(
        connections: Int = 2, endpoint change: (inout RedisEndpoint) -> Void = { _ in },
        _ body: (RedisClient, String) async throws -> Void
    ) async throws {
        var endpoint = try Self.endpoint()
        change(&endpoint)
        var configuration = RedisClient.Configuration(endpoint: endpoint)
        configuration.connections = connections
        let client = try RedisClient(configuration: configuration, logger: Logger(label: "test"))
        let key = "test:driver:\(UInt64.random(in: 0 ... .max))"
        try await withClosing {
            try await body(client, key)
        } close: {
            _ = try? await client.send(RedisCommand("DEL", key))
            await client.close()
        }
    }

    @Test func `keeps replies in order`() async throws {
        try await withClient { client, key in
            let replies = try await client.pipeline(
                (0..<1000).map { RedisCommand("ECHO", String($0)) } + [RedisCommand("NOPE"), RedisCommand("GET", key)])
            #expect(replies.prefix(1000).compactMap(\.integer) == Array(0..<1000))
            #expect(throws: RedisError.self) { try replies[1000].get() }
            #expect(replies[1001].isNull)
        }
    }

    @Test func `serves many tasks`() async throws {
        try await withClient { client, key in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for i in 0..<500 {
                    group.addTask { try await client.send(RedisCommand("ECHO", String(i))).integer == i }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func `carries five megabytes`() async throws {
        try await withClient { client, key in
            let value = [UInt8](repeating: 7, count: 5_000_000)
            var command = RedisCommand("SET", key)
            command.append(bytes: value)
            try await client.send(command)
            #expect(try await client.send(RedisCommand("GET", key)) == .bytes(value))
        }
    }

    @Test func `runs transactions whole or not at all`() async throws {
        try await withClient { client, key in
            let (replies, following) = try await client.transaction(
                [RedisCommand("SET", key, "1"), RedisCommand("INCR", key)], following: [RedisCommand("GET", key)])
            #expect(replies == [.status("OK"), .integer(2)])
            #expect(following.map(\.integer) == [2])
            await #expect(throws: RedisError.self) {
                try await client.transaction([RedisCommand("SET", key, "9"), RedisCommand("NOPE")])
            }
            #expect(try await client.send(RedisCommand("GET", key)).integer == 2)
        }
    }

    @Test func `sends a script the server does not know`() async throws {
        try await withClient { client, key in
            let script = RedisScript("return {KEYS[1], ARGV[1], '\(key)'}")
            for _ in 0..<2 {
                let reply = try await client.evaluate(script, keys: [key]) { $0.append("x") }
                #expect(reply.array?.map(\.string) == [key, "x", key])
            }
        }
    }

    @Test func `comes back after its connection was killed`() async throws {
        try await withClient(connections: 1) { client, _ in
            let id = try #require(try await client.send(RedisCommand("CLIENT", "ID")).integer)
            try await withClient(connections: 1) { other, _ in
                try await other.send(RedisCommand("CLIENT", "KILL", "ID", String(id)))
            }
            let next = try await client.send(RedisCommand("CLIENT", "ID"), isRead: true).integer
            #expect(next != nil && next != id)
        }
    }

    /// What is under way when another connection meets a server that lost its role is answered all
    /// the same.
    @Test func `answers what is under way on a connection that ends`() async throws {
        var configuration = RedisClient.Configuration(endpoint: try Self.endpoint())
        configuration.connections = 2
        configuration.maximumBackoff = .zero
        let client = try RedisClient(configuration: configuration, logger: Logger(label: "test"))
        try await withClient(connections: 1) { other, key in
            @Sendable func id() async throws -> Int? { try await client.send(RedisCommand("CLIENT", "ID")).integer }
            var before: Set<Int?> = []
            while before.count < 2 {
                async let first = id()
                async let second = id()
                before.formUnion(try await [first, second])
            }
            async let waiting = client.send(RedisCommand("BLPOP", key, "0"))
            while try await other.send(RedisCommand("INFO", "clients")).string?.contains("blocked_clients:0") != false {
            }
            let error = await #expect(throws: RedisError.self) {
                try await client.send(RedisCommand("EVAL", "return redis.error_reply('READONLY no')", "0"))
            }
            #expect(error?.code == .readOnly)
            try await other.send(RedisCommand("RPUSH", key, "value"))
            #expect(try await waiting.array?.last?.string == "value")
            for _ in 0..<4 { #expect(try await !before.contains(id())) }
        }
        await client.close()
    }

    @Test func `selects the database and its name`() async throws {
        try await withClient { client, key in
            try await client.send(RedisCommand("SET", key, "0"))
            try await withClient(endpoint: {
                $0.database = 9
                $0.clientName = "driver-test"
            }) { other, _ in
                let value = try await other.send(RedisCommand("GET", key))
                #expect(value.isNull)
                let name = try await other.send(RedisCommand("CLIENT", "GETNAME")).string
                #expect(name == "driver-test")
            }
            await #expect {
                try await withClient(endpoint: { $0.database = 99_999 }) { other, _ in
                    try await other.send(RedisCommand("PING"))
                }
            } throws: { ($0 as? RedisError)?.code == .invalidEndpoint }
        }
    }

    @Test func `logs in as a user`() async throws {
        try await withClient { client, key in
            let user = "user-\(key)"
            try await client.send(RedisCommand("ACL", "SETUSER", user, "on", ">hunter2", "~\(key)", "+get", "+client"))
            try await withClient(endpoint: {
                $0.user = user
                $0.password = "hunter2"
            }) { other, _ in
                let value = try await other.send(RedisCommand("GET", key))
                #expect(value.isNull)
                await #expect { try await other.send(RedisCommand("SET", key, "x")) } throws: {
                    ($0 as? RedisError)?.code == .noPermission
                }
            }
            await #expect {
                try await withClient(endpoint: {
                    $0.user = user
                    $0.password = "hunter3"
                }) { other, _ in
                    try await other.send(RedisCommand("GET", key))
                }
            } throws: { ($0 as? RedisError)?.code == .authenticationFailed && !"\($0)".contains("hunter3") }
            try await client.send(RedisCommand("ACL", "DELUSER", user))
        }
    }
}
