import NIOCore
import NIOPosix
import RedisDriver
import Synchronization
import TestSupport

/// One address behind which another server can stand from one moment to the next, as a name in DNS
/// after a failover: connections that were made go on leading to the server that they were made to.
final class SwitchedProxy: Sendable {
    private let target: Mutex<Int>

    private init(_ port: Int) {
        target = Mutex(port)
    }

    /// Runs `body` with the proxy's endpoint.
    static func run(
        to endpoint: RedisEndpoint, _ body: (SwitchedProxy, RedisEndpoint) async throws -> Void
    ) async throws {
        let proxy = SwitchedProxy(endpoint.port)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { inbound in
                ClientBootstrap(group: inbound.eventLoop).connect(host: "127.0.0.1", port: proxy.target.withLock { $0 })
                    .flatMapThrowing { outbound in
                        try inbound.pipeline.syncOperations.addHandler(Relay(to: outbound))
                        try outbound.pipeline.syncOperations.addHandler(Relay(to: inbound))
                    }
                    .flatMap { inbound.setOption(.autoRead, value: true) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let own = RedisEndpoint(.tcp(host: "127.0.0.1", port: channel.localAddress?.port ?? 0))
        try await withClosing {
            try await body(proxy, own)
        } close: {
            try await channel.close()
        }
    }

    func lead(to endpoint: RedisEndpoint) { target.withLock { $0 = endpoint.port } }

    private final class Relay: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let other: any Channel

        init(to other: any Channel) {
            self.other = other
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            other.close(promise: nil)
        }
    }
}

extension RedisEndpoint {
    var port: Int {
        if case .tcp(_, let port) = address { port } else { 0 }
    }
}
