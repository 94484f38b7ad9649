import NIOCore
import Testing

@testable import MemoryHTTP

/// What one connection does with bytes, and with time.
@Suite struct ConnectionTests {
    private static let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test(arguments: [
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n",
    ])
    func `an offer of another protocol is ignored`(_ offer: String) throws {
        for isPipelined in [false, true] {
            let connection = try ConnectionFixture()
            let first = "GET /a HTTP/1.1\r\nHost: h\r\n\(offer)\r\n"
            let second = "POST /b HTTP/1.1\r\nHost: h\r\n\(offer)Content-Length: 2\r\n\r\n{}"
            if isPipelined {
                connection.receive(first + second + Self.get)
            } else {
                for request in [first, second, Self.get] { connection.receive(request) }
            }
            #expect(connection.requests == ["GET /a", "POST /b", "GET /a"])
            #expect(connection.ends == 3)
            #expect(connection.bodyBytes == 2)
            for _ in 0..<3 { connection.answer() }
            #expect(try connection.sent().components(of: "HTTP/1.1 200 OK") == 3)
            #expect(connection.isOpen)
        }
    }

    @Test func `an offer that comes byte by byte is ignored`() throws {
        let connection = try ConnectionFixture()
        let offer = "GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
        for byte in (offer + offer + Self.get) { connection.receive(String(byte)) }
        #expect(connection.requests == ["GET /a", "GET /a", "GET /a"])
        #expect(connection.ends == 3)
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", "400", "no Host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", "more than one Host"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405", "CONNECT"),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501", "chunked"),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "400",
            "Content-Length"
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400", "HTTP/1.0"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", "413", "1000 bytes"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n", "413", "1000 bytes"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775808\r\n\r\n", "400", "Content-Length"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999999\r\n\r\n", "400", "Content-Length"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "400", "Content-Length"),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "400", "Content-Length"),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\n", "415",
            "Content-Encoding"
        ),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: a-miracle\r\n\r\n", "417", "100-continue"),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505", "HTTP/1.1"),
        ("\u{16}\u{3}\u{1}not HTTP at all\r\n\r\n", "400", "not valid HTTP"),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400", "chunk"),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + "FFFFFFFFFFFFFFFFFF\r\n", "400",
            "chunk"
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n"
                + String(repeating: "x", count: 1001), "413", "1000 bytes"
        ),
        ("GET /" + String(repeating: "u", count: 2100) + " HTTP/1.1\r\nHost: h\r\n\r\n", "414", "URL"),
        ("GET /" + String(repeating: "u", count: 4000), "414", "URL"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: " + String(repeating: "v", count: 2100), "431", "head"),
        (
            "GET / HTTP/1.1\r\nHost: h\r\n" + (0..<300).map { "X\($0): v\r\n" }.joined() + "\r\n", "431", "head"
        ),
    ])
    func `what breaks a rule is answered in JSON and ends the connection`(
        _ request: String, _ status: String, _ detail: String
    ) throws {
        var limits = ConnectionLimits()
        limits.headBytes = 2048
        limits.bodyBytes = 1000
        let connection = try ConnectionFixture(limits)
        connection.receive(request)
        let answer = try connection.answered()
        #expect(answer.status == status)
        #expect(answer.detail?.contains(detail) == true, "\(answer.detail ?? "no detail")")
        #expect(answer.head.contains("Connection: close"))
        #expect(answer.head.contains("Content-Type: application/json"))
        #expect(!connection.isOpen)
    }

    @Test func `a refusal waits for the answers before it`() throws {
        let connection = try ConnectionFixture()
        connection.receive(Self.get + "GET /b HTTP/1.1\r\n\r\n" + Self.get)
        #expect(connection.requests == ["GET /a"])
        #expect(try connection.sent().isEmpty)
        connection.answer()
        let sent = try connection.sent()
        #expect(sent.hasPrefix("HTTP/1.1 200 OK"))
        #expect(sent.components(of: "HTTP/1.1 400 Bad Request") == 1)
        #expect(!connection.isOpen)
    }

    @Test func `answers to HEAD have no body`() throws {
        let connection = try ConnectionFixture()
        connection.receive("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n" + Self.get)
        connection.answer("{\"detail\":\"x\"}", status: .notFound)
        let head = try connection.sent()
        #expect(head.hasPrefix("HTTP/1.1 404"))
        #expect(head.contains("Content-Length: 14\r\n"))
        #expect(head.hasSuffix("\r\n\r\n"))
        connection.answer("{}")
        #expect(try connection.sent().hasSuffix("{}"))
        connection.receive("HEAD /a HTTP/1.1\r\n\r\n")
        #expect(try connection.sent().hasSuffix("\r\n\r\n"))
    }

    @Test(arguments: [
        "GET /a HTTP/1.0\r\n\r\n", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Keep-Alive, Close\r\n\r\n",
    ])
    func `the last answer says so and closes`(_ request: String) throws {
        let connection = try ConnectionFixture()
        connection.receive(request + Self.get)
        connection.answer()
        let sent = try connection.sent()
        #expect(sent.lowercased().contains("connection: close"))
        #expect(connection.requests.count == 1)
        #expect(!connection.isOpen)
    }

    @Test func `a client that asks gets a 100`() throws {
        let connection = try ConnectionFixture()
        let head = "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        connection.receive(head)
        #expect(try connection.sent() == "HTTP/1.1 100 Continue\r\n\r\n")
        connection.receive("{}" + head)
        #expect(try connection.sent().isEmpty)
        connection.answer()
        // The second client's turn comes with the answer to the first.
        #expect(try connection.sent().hasSuffix("{}HTTP/1.1 100 Continue\r\n\r\n"))
        connection.receive("{}")
        connection.answer()
        #expect(try connection.sent().hasPrefix("HTTP/1.1 200 OK"))
        #expect(connection.isOpen)

        let large = try ConnectionFixture()
        large.receive("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 100000000000\r\n\r\n")
        #expect(try large.answered().status == "413")
    }

    @Test func `an idle connection is closed without a word`() throws {
        for isUsed in [false, true] {
            let connection = try ConnectionFixture()
            if isUsed {
                connection.pass(.seconds(50))
                connection.receive(Self.get)
                // The server's own time does not count.
                connection.pass(.seconds(500))
                connection.answer()
                _ = try connection.sent()
            }
            connection.pass(.seconds(74))
            #expect(connection.isOpen)
            connection.pass(.seconds(2))
            #expect(!connection.isOpen)
            #expect(try connection.sent().isEmpty)
        }
    }

    @Test func `half a head gets 408`() throws {
        let connection = try ConnectionFixture()
        connection.pass(.seconds(60))
        connection.receive("GET /a")
        for _ in 0..<9 {
            connection.pass(.seconds(1))
            connection.receive("a")
            #expect(connection.isOpen)
        }
        connection.pass(.seconds(1))
        #expect(try connection.answered().status == "408")
        #expect(!connection.isOpen)
    }

    @Test func `half a body gets 408`() throws {
        let connection = try ConnectionFixture()
        connection.receive("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
        connection.receive(String(repeating: "x", count: 50_000))
        connection.pass(.seconds(31))
        #expect(connection.isOpen)
        // One byte a second is as good as none.
        for _ in 0..<30 {
            connection.pass(.seconds(1))
            connection.receive("x")
        }
        let answer = try connection.answered()
        #expect(answer.status == "408")
        #expect(answer.detail?.contains("(bodyTimeout)") == true)
        #expect(connection.errors.contains { $0 is RequestEnded })
        #expect(!connection.isOpen)
    }

    @Test func `a body that the server does not read is not late`() throws {
        let connection = try ConnectionFixture()
        connection.receive("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n", reads: false)
        connection.pass(.seconds(300))
        #expect(connection.isOpen)
        connection.receive("0123456789")
        connection.answer()
        #expect(try connection.sent().hasPrefix("HTTP/1.1 200"))
    }

    @Test func `a client that does not read is cut off`() throws {
        let connection = try ConnectionFixture()
        connection.receive(Self.get)
        connection.begin(length: 1 << 30)
        connection.channel.isWritable = false
        connection.channel.pipeline.fireChannelWritabilityChanged()
        connection.pass(.seconds(29))
        connection.channel.isWritable = true
        connection.channel.pipeline.fireChannelWritabilityChanged()
        connection.pass(.seconds(10))
        #expect(connection.isOpen)
        connection.channel.isWritable = false
        connection.channel.pipeline.fireChannelWritabilityChanged()
        connection.pass(.seconds(31))
        #expect(!connection.isOpen)
    }

    @Test func `an answer before a large body ends the connection`() throws {
        for (length, closes) in [(1 << 20, true), (1 << 10, false)] {
            let connection = try ConnectionFixture()
            connection.receive("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: \(length)\r\n\r\n")
            connection.answer(status: .notFound)
            #expect(try connection.sent().contains("Connection: close") == closes)
            #expect(connection.isOpen == !closes)
        }
    }

    @Test func `a client that leaves within its body ends the request`() throws {
        let connection = try ConnectionFixture()
        connection.receive("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{}")
        _ = try? connection.channel.finish(acceptAlreadyClosed: true)
        #expect(connection.errors.contains { $0 is RequestEnded })
        #expect(connection.ends == 0)
    }

    @Test func `shutting down ends what is idle and nothing else`() throws {
        let idle = try ConnectionFixture()
        idle.quiesce()
        #expect(!idle.isOpen)

        let busy = try ConnectionFixture()
        busy.receive(Self.get)
        busy.quiesce()
        busy.receive(Self.get)
        busy.answer()
        #expect(try busy.answered().head.contains("Connection: close"))
        #expect(busy.requests.count == 1)
        #expect(!busy.isOpen)

        let halfHead = try ConnectionFixture()
        halfHead.receive("GET /a HT")
        halfHead.quiesce()
        #expect(try halfHead.answered().status == "503")
        #expect(!halfHead.isOpen)

        let halfBody = try ConnectionFixture()
        halfBody.receive("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{}")
        halfBody.quiesce()
        #expect(halfBody.isOpen)
        halfBody.pass(.seconds(1))
        #expect(try halfBody.answered().status == "503")
        #expect(!halfBody.isOpen)
    }

    @Test func `room is made by connections that have nothing to do`() throws {
        let idle = try ConnectionFixture()
        idle.pass(.seconds(10))
        idle.receive(Self.get)
        idle.answer()
        idle.channel.pipeline.fireUserInboundEventTriggered(ConnectionEvent.makeRoom)
        #expect(idle.isOpen)
        idle.pass(.seconds(2))
        idle.channel.pipeline.fireUserInboundEventTriggered(ConnectionEvent.makeRoom)
        #expect(!idle.isOpen)

        let busy = try ConnectionFixture()
        busy.receive(Self.get)
        busy.pass(.seconds(2))
        busy.channel.pipeline.fireUserInboundEventTriggered(ConnectionEvent.makeRoom)
        #expect(busy.isOpen)
    }
}

extension ConnectionFixture {
    func quiesce() {
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
}

extension String {
    fileprivate func components(of part: String) -> Int {
        split(separator: part, omittingEmptySubsequences: false).count - 1
    }
}
