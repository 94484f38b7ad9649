import AgentMemory
import NIOCore
import NIOPosix

/// A connection to a server, on which a test sends the bytes it likes.
///
/// Used by one task at a time.
final class RawConnection {
    struct Answer {
        let status: Int
        let head: String
        let body: String

        var detail: String? { (try? JSONValue(parsing: body))?["detail"]?.stringValue }
        var closes: Bool { head.lowercased().contains("\r\nconnection: close") }
    }

    /// The server closed the connection within an answer, or before it.
    struct Closed: Error {}

    private var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var received = ByteBuffer()

    private init(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        iterator = inbound.makeAsyncIterator()
        self.outbound = outbound
    }

    /// Runs `body` with a connection, and closes it.
    static func run<Value: Sendable>(
        _ port: Int, _ body: @Sendable (RawConnection) async throws -> Value
    ) async throws -> Value {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            // Small, for a client that does not read to take little of an answer.
            .channelOption(.socketOption(.so_rcvbuf), value: 16 << 10)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await body(RawConnection(inbound, outbound))
        }
    }

    func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    /// Sends a request and reads its answer.
    func ask(_ request: String) async throws -> Answer {
        try await send(request)
        return try await answer(toHEAD: request.hasPrefix("HEAD "))
    }

    /// The next answer, an interim one too.
    func answer(toHEAD: Bool = false) async throws -> Answer {
        var head: String?
        while head == nil {
            let text = String(buffer: received)
            if let end = text.firstRange(of: "\r\n\r\n") {
                head = String(text[..<end.lowerBound])
                received.moveReaderIndex(forwardBy: head!.utf8.count + 4)
            } else {
                try await receive()
            }
        }
        let status = Int(head!.split(separator: " ")[1])!
        let length = head!.lowercased().firstMatch(of: #/content-length: (\d+)/#).flatMap { Int($0.1) } ?? 0
        guard !toHEAD, status >= 200 else { return Answer(status: status, head: head!, body: "") }
        while received.readableBytes < length { try await receive() }
        return Answer(status: status, head: head!, body: received.readString(length: length)!)
    }

    /// Waits until the server closes.
    ///
    /// - Returns: what it sent before.
    func rest() async -> String {
        do {
            while true { try await receive() }
        } catch {
            return String(buffer: received)
        }
    }

    private func receive() async throws {
        var iterator = iterator
        guard let more = try await iterator.next() else { throw Closed() }
        received.writeImmutableBuffer(more)
    }
}
