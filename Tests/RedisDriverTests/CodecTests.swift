import NIOCore
import Testing

@testable import RedisDriver

@Suite struct CodecTests {
    private func replies(_ text: String, inPiecesOf size: Int) throws -> [RedisValue] {
        let reader = RedisReplyReader()
        var replies: [RedisValue] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            try bytes[start..<min(bytes.count, start + size)].withUnsafeBytes { try reader.feed($0) }
            while let reply = try reader.next() { replies.append(reply) }
        }
        return replies
    }

    @Test(arguments: [1, 3, 1000]) func `reads every kind in pieces`(size: Int) throws {
        let text =
            "+OK\r\n:-7\r\n$5\r\nhe\0lo\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n*3\r\n*2\r\n:1\r\n*1\r\n$-1\r\n+x\r\n-ERR no\r\n"
        let nested = RedisValue.array([
            .array([.integer(1), .array([.null])]), .status("x"), .error(RedisError(server: "ERR no")),
        ])
        #expect(
            try replies(text, inPiecesOf: size)
                == [
                    .status("OK"), .integer(-7), .bytes(Array("he\0lo".utf8)), .null, .null, .array([]), .bytes([]),
                    nested,
                ])
    }

    @Test func `numbers beyond their range are none`() throws {
        for text in ["99999999999999999999", "-9223372036854775809", "1.5", "1e3", "nan", "inf", ""] {
            #expect(RedisValue.bytes(Array(text.utf8)).integer == nil)
        }
        #expect(RedisValue.integer(.min).integer == Int.min && RedisValue.integer(.max).integer == Int.max)
        // hiredis refuses such a line itself.
        #expect(throws: RedisError.self) { try replies(":99999999999999999999\r\n", inPiecesOf: 100) }
        #expect(throws: RedisError.self) { try replies("$99999999999999999999\r\n", inPiecesOf: 100) }
        #expect(throws: RedisError.self) { try replies("*-99\r\n", inPiecesOf: 100) }
    }

    @Test func `reads large replies`() throws {
        let body = String(repeating: "0123456789", count: 500_000)
        #expect(
            try replies("$5000000\r\n\(body)\r\n:1\r\n", inPiecesOf: 65_536) == [.bytes(Array(body.utf8)), .integer(1)])
    }

    @Test func `refuses what is not the protocol`() {
        #expect { try replies("HTTP/1.1 400 Bad Request\r\n", inPiecesOf: 100) } throws: {
            ($0 as? RedisError)?.code == .protocolViolation
        }
    }

    @Test func `formats any bytes`() {
        var command = RedisCommand("SET", "", "ä")
        command.append(bytes: [0, 13, 10, 255])
        command.append(-5)
        var block: [UInt8] = []
        command.write(to: &block)
        let expected =
            Array("*5\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\nä\r\n$4\r\n".utf8) + [0, 13, 10, 255]
            + Array("\r\n$2\r\n-5\r\n".utf8)
        #expect(block == expected)
    }

    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (String(repeating: "a", count: 1000), "291e9a6c66994949b57ba5e650361e98fc36b1ba"),
    ])
    func `hashes scripts`(source: String, hash: String) {
        #expect(RedisScript(source).sha1 == hash)
    }

    @Test func `shows no arguments in errors`() {
        for text in [
            "ERR unknown command 'FOO', with args beginning with: 'hunter2'",
            "ERR Syntax error at offset 3 near hunter2",
            "WRONGTYPE hunter2: no", "ERR value \"hunter2\"",
        ] where !text.hasPrefix("WRONGTYPE") {
            #expect(!"\(RedisError(server: text))".contains("hunter2"))
        }
        #expect(RedisError(server: "OOM command not allowed").code == .outOfMemory)
        #expect(RedisError(server: "READONLY You can't write").code == .readOnly)
        #expect(RedisError(server: "EXECABORT Transaction discarded because of: OOM no").code == .outOfMemory)
        #expect(RedisError(server: "EXECABORT Transaction discarded because of previous").code == .transactionAborted)
        for text in [
            "NOPERM User hunter2 has no permissions to run the 'CONFIG|set' command",
            "ERR ACL failure in script: User hunter2 has no permissions to run the 'config|set' command script: x",
        ] {
            let error = RedisError(server: text)
            #expect(error.code == .noPermission && error.message.contains("config|set"))
            #expect(!error.message.contains("hunter2"))
        }
        #expect(RedisError(server: "NOPERM No permissions to access a key").message.contains("key pattern"))
        #expect(RedisError(server: "WRONGTYPE Operation against").code == .wrongType)
        #expect(RedisError(server: "Existing key has wrong Redis type").code == .wrongType)
        #expect(RedisError(server: "LOADING Redis is loading").code == .notReady)
        #expect(RedisError(server: "WRONGPASS invalid").code == .authenticationFailed)
        #expect(RedisError(server: "MOVED 1 h:1").code == .unsupportedServer)
    }
}
