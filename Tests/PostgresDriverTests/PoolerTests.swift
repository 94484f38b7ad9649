import Foundation
import PostgresDriver
import Synchronization
import TestServices
import TestSupport
import Testing

@Suite(.tags(.store)) struct PoolerTests {
    @Test func `a pooler by transaction is refused in words`() async throws {
        let pooler = try Pooler(sharesSessions: true)
        defer { pooler.stop() }
        try await TestServer.withPool(url: try SharedServer.postgresURL(port: pooler.port)) { pool in
            let error = await #expect(throws: PostgresError.self) {
                try await pool.query(PostgresStatement("SELECT 1::bigint"), retry: .repeatable, deadline: .soon)
            }
            #expect(error?.code == .unsupportedPooler)
            #expect(error?.message.contains("pool_mode") == true)
        }
    }

    @Test func `a pooler by session is taken`() async throws {
        let pooler = try Pooler(sharesSessions: false)
        defer { pooler.stop() }
        try await TestServer.withPool(url: try SharedServer.postgresURL(port: pooler.port)) { pool in
            for number in 0..<5 {
                let result = try await pool.query(
                    PostgresStatement("SELECT $1::int8", [.int8(Int64(number))]), retry: .onlyIfNotExecuted,
                    deadline: .soon)
                #expect(try result.singleRow().int(0) == number)
            }
        }
    }
}

/// A small pooler: it answers the start of each connection itself, and passes on what follows to
/// one session of the server for all, or to one for each.
private final class Pooler: Sendable {
    struct Failure: Error {
        let call: String
        let number = errno
    }

    let port: Int
    private let listener: Int32
    private let server: UInt16
    private let sharesSessions: Bool
    private let shared = Mutex<Int32?>(nil)
    private let open = Mutex<[Int32]>([])

    init(sharesSessions: Bool) throws {
        self.sharesSessions = sharesSessions
        server = UInt16(try #require(URLComponents(string: try SharedServer.postgresURL())?.port))
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 8) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard bound else { throw Failure(call: "bind") }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [self] in
            while case let client = accept(listener, nil, nil), client >= 0 {
                open.withLock { $0.append(client) }
                Thread.detachNewThread { try? self.serve(client) }
            }
        }
    }

    func stop() {
        for descriptor in open.withLock({ $0 }) + [listener] { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
        close(listener)
    }

    private func serve(_ client: Int32) throws {
        defer { _ = shutdown(client, Int32(SHUT_RDWR)) }
        while true {
            let body = try Self.read(Int(try Self.word(client)) - 4, from: client)
            // A request for TLS or GSS is declined; the message after it is the start.
            guard body.starts(with: [0x04, 0xD2]) else { break }
            try Self.write(Array("N".utf8), to: client)
        }
        var greeting = Self.message("R", [0, 0, 0, 0])
        for (name, value) in [("server_version", "18.0"), ("client_encoding", "UTF8"), ("integer_datetimes", "on")] {
            greeting += Self.message("S", Array(name.utf8) + [0] + Array(value.utf8) + [0])
        }
        greeting += Self.message("K", [0x7F, 1, 2, 3, 4, 5, 6, 7]) + Self.message("Z", Array("I".utf8))
        try Self.write(greeting, to: client)
        if sharesSessions {
            while true { try exchange(Self.anyMessage(from: client), with: client) }
        } else {
            let session = try session()
            Thread.detachNewThread { try? Self.copy(session, client) }
            try Self.copy(client, session)
        }
    }

    /// Sends one simple query to the session of all, and passes its answer on.
    private func exchange(_ message: [UInt8], with client: Int32) throws {
        try shared.withLock { shared in
            let session = try shared ?? session()
            shared = session
            try Self.write(message, to: session)
            while true {
                let answer = try Self.anyMessage(from: session)
                try Self.write(answer, to: client)
                if answer[0] == UInt8(ascii: "Z") { return }
            }
        }
    }

    /// A session of the server, past its start.
    private func session() throws -> Int32 {
        let session = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        open.withLock { $0.append(session) }
        var address = Self.address(server.bigEndian)
        let connected = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(session, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else { throw Failure(call: "connect") }
        let settings = Array("user\0agent_memory\0database\0agent_memory\0\0".utf8)
        try Self.write(Array(Self.message("x", [0, 3, 0, 0] + settings).dropFirst()), to: session)
        while try Self.anyMessage(from: session)[0] != UInt8(ascii: "Z") {}
        return session
    }

    // MARK: Bytes

    private static func address(_ port: in_port_t) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func message(_ type: Character, _ body: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(body.count + 4).bigEndian) { Array(String(type).utf8) + $0 + body }
    }

    private static func word(_ descriptor: Int32) throws -> UInt32 {
        try read(4, from: descriptor).reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func anyMessage(from descriptor: Int32) throws -> [UInt8] {
        let type = try read(1, from: descriptor)
        let length = try read(4, from: descriptor)
        return type + length + (try read(Int(length.reduce(0) { $0 << 8 | UInt32($1) }) - 4, from: descriptor))
    }

    private static func read(_ count: Int, from descriptor: Int32) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + done, count - done, 0) }
            guard got > 0 else { throw Failure(call: "recv") }
            done += got
        }
        return bytes
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) throws {
        var done = 0
        while done < bytes.count {
            let sent = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw Failure(call: "send") }
            done += sent
        }
    }

    private static func copy(_ source: Int32, _ target: Int32) throws {
        defer { _ = shutdown(target, Int32(SHUT_RDWR)) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let got = buffer.withUnsafeMutableBytes { recv(source, $0.baseAddress, $0.count, 0) }
            guard got > 0 else { return }
            try write(Array(buffer[..<got]), to: target)
        }
    }
}
