import AgentMemory
import NIOCore
import NIOEmbedded
import NIOHTTP1

@testable import MemoryHTTP

/// One connection without a socket: bytes go in, parts of requests and bytes of answers come out,
/// and the test moves the clock.
struct ConnectionFixture {
    /// What stands where Hummingbird's part does.
    private final class Application: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart

        var requests: [String] = []
        var bodyBytes = 0
        var ends = 0
        var errors: [any Error] = []

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch Self.unwrapInboundIn(data) {
            case .head(let head): requests.append("\(head.method) \(head.uri)")
            case .body(let bytes): bodyBytes += bytes.readableBytes
            case .end: ends += 1
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { errors.append(error) }
    }

    let channel: EmbeddedChannel
    private let application = Application()

    init(_ limits: ConnectionLimits = ConnectionLimits()) throws {
        let progress = DecodingProgress()
        channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([
            HTTPResponseEncoder(),
            ByteToMessageHandler(RequestDecoder(limit: limits.headBytes, progress: progress)),
            ConnectionHandler(limits: limits, progress: progress), application,
        ])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        channel.read()
    }

    /// Methods and URLs that reached the application.
    var requests: [String] { application.requests }
    /// Requests that are complete.
    var ends: Int { application.ends }
    var bodyBytes: Int { application.bodyBytes }
    var errors: [any Error] { application.errors }
    var isOpen: Bool { channel.isActive }

    /// - Parameter reads: whether the server asks for more afterwards.
    func receive(_ text: String, reads: Bool = true) {
        // What the handler makes of errors is looked at, not what the channel does.
        _ = try? channel.writeInbound(ByteBuffer(string: text))
        if reads { channel.read() }
    }

    /// Writes an answer as Hummingbird's part does.
    func answer(_ text: String = "{}", status: HTTPResponseStatus = .ok) {
        begin(length: text.utf8.count, status: status)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: text))), promise: nil)
        channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
    }

    func begin(length: Int, status: HTTPResponseStatus = .ok) {
        let head = HTTPResponseHead(
            version: .http1_1, status: status, headers: ["Content-Length": "\(length)"])
        channel.writeAndFlush(HTTPServerResponsePart.head(head), promise: nil)
    }

    func pass(_ time: Duration) { channel.embeddedEventLoop.advanceTime(by: TimeAmount(time)) }

    /// Everything that has been sent since the last call.
    func sent() throws -> String {
        var text = ""
        while let data = try channel.readOutbound(as: IOData.self) {
            if case .byteBuffer(let bytes) = data { text += String(buffer: bytes) }
        }
        return text
    }

    /// The one answer that has been sent since the last call.
    func answered() throws -> (status: String, head: String, detail: String?) {
        let text = try sent()
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let body = parts.count == 2 ? try? JSONValue(parsing: String(parts[1])) : nil
        return (
            String(text.dropFirst("HTTP/1.1 ".count).prefix(3)), parts.first.map(String.init) ?? "",
            body?["detail"]?.stringValue
        )
    }
}
