import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport

@testable import RedisDriver

/// A server that answers as a test wants, over TCP, a Unix socket or TLS.
final class FakeServer: Sendable {
    /// What it does with a command after the setup: the bytes of a reply, or nothing; `nil` closes
    /// the connection.
    typealias Answer = @Sendable ([String]) -> String?

    private let channel: any Channel
    private let log = Log()

    final class Log: Sendable {
        private let commands = Mutex<[String]>([])
        func append(_ name: String) { commands.withLock { $0.append(name) } }
        var names: [String] { commands.withLock { $0 } }
    }

    private init(channel: any Channel) {
        self.channel = channel
    }

    /// Runs `body` with a server and ends the server.
    static func run(
        unixSocket: String? = nil, tls: NIOSSLContext? = nil, info: String = "cluster_enabled:0",
        answer: @escaping Answer,
        _ body: (RedisEndpoint, Log) async throws -> Void
    ) async throws {
        let log = Log()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(Handler(answer: answer, log: log, info: info))
                }
            }
        let channel: any Channel
        let endpoint: RedisEndpoint
        if let unixSocket {
            channel = try await bootstrap.bind(unixDomainSocketPath: unixSocket, cleanupExistingSocketFile: true).get()
            endpoint = RedisEndpoint(.unixSocket(path: unixSocket))
        } else {
            channel = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            endpoint = RedisEndpoint(.tcp(host: "127.0.0.1", port: channel.localAddress?.port ?? 0))
        }
        try await withClosing {
            try await body(endpoint, log)
        } close: {
            try await channel.close()
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let answer: Answer
        private let log: Log
        private let info: String
        private let reader = RedisReplyReader()

        init(answer: @escaping Answer, log: Log, info: String) {
            self.answer = answer
            self.log = log
            self.info = info
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            do {
                try unwrapInboundIn(data).withUnsafeReadableBytes { try reader.feed($0) }
                while let command = try reader.next() {
                    // Commands are arrays of bulk strings, so the reply reader reads them too.
                    let arguments = command.array?.compactMap(\.string) ?? []
                    log.append(arguments[0])
                    let reply: String? =
                        switch arguments[0] {
                        case "PING": "+PONG\r\n"
                        case "INFO": "$\(info.utf8.count)\r\n\(info)\r\n"
                        case "CLIENT", "AUTH", "SELECT": "+OK\r\n"
                        default: answer(arguments)
                        }
                    guard let reply else {
                        context.close(promise: nil)
                        return
                    }
                    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply)), promise: nil)
                }
            } catch {
                context.close(promise: nil)
            }
        }
    }
}
