public import Logging
public import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Stops accepting connections if there is no room for another: at the limit of connections, and at
/// the limit of file descriptors, where retrying would use a whole core.
///
/// Clients wait in the backlog meanwhile, and idle connections are closed to make room.
public final class AcceptGuard: ChannelInboundHandler, Sendable {
    public typealias InboundIn = any Channel
    public typealias InboundOut = any Channel

    /// How long accepting pauses after a lack of descriptors or memory.
    private static let pause: TimeAmount = .milliseconds(500)
    /// The least interval between two log lines for one reason.
    private static let logInterval: TimeAmount = .seconds(10)

    private struct State {
        var connections: [ObjectIdentifier: any Channel] = [:]
        var isPaused = false
        var isMakingRoom = false
        var logged: [String: NIODeadline] = [:]
    }

    private let limit: Int
    private let limitName: String
    private let logger: Logger
    /// Used only on the event loop of the server's channel.
    private let state: NIOLoopBoundBox<State>

    /// - Parameters:
    ///   - limit: how many connections may be open at the same time.
    ///   - limitName: how the log names the limit.
    ///   - eventLoop: that of the server's channel.
    init(limit: Int, limitName: String, logger: Logger, eventLoop: any EventLoop) {
        self.limit = limit
        self.limitName = limitName
        self.logger = logger
        state = .makeBoxSendingValue(State(), eventLoop: eventLoop)
    }

    /// Guards the server that listens on `channel`.
    ///
    /// - Parameters:
    ///   - limit: how many connections may be open at the same time.
    ///   - limitName: how the log names the limit, as the operator can set it.
    public static func install(
        on channel: any Channel, limit: Int, limitName: String, logger: Logger
    ) async throws {
        let handler = AcceptGuard(limit: limit, limitName: limitName, logger: logger, eventLoop: channel.eventLoop)
        try await channel.pipeline.addHandler(handler, position: .first)
        // One at a time, so that the limit is exact.
        try await channel.setOption(.maxMessagesPerRead, value: 1)
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let connection = Self.unwrapInboundIn(data)
        let identifier = ObjectIdentifier(connection)
        state.value.connections[identifier] = connection
        let server = context.channel
        connection.closeFuture.hop(to: context.eventLoop).whenComplete { _ in
            self.state.value.connections[identifier] = nil
            self.resume(server)
        }
        if state.value.connections.count >= limit {
            pause(server, because: "the limit of connections is reached (\(limitName))")
        }
        context.fireChannelRead(data)
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch (error as? IOError)?.errnoCode {
        case EMFILE, ENFILE:
            pause(context.channel, because: "no file descriptor is left (ulimit -n)")
        case ENOBUFS, ENOMEM:
            pause(context.channel, because: "the system has no memory for another connection")
        case ECONNABORTED:
            return  // The client has gone away before it was accepted.
        default:
            return context.fireErrorCaught(error)
        }
        let server = context.channel
        context.eventLoop.scheduleTask(in: Self.pause) { self.resume(server) }
    }

    private func pause(_ server: any Channel, because reason: String) {
        state.value.isPaused = true
        // The reads of the server's channel are its accepts.
        server.setOption(.autoRead, value: false).whenFailure { _ in }
        let now = server.eventLoop.now
        if now - (state.value.logged[reason] ?? .distantPast) >= Self.logInterval {
            state.value.logged[reason] = now
            logger.warning(
                "no connections are accepted for now",
                metadata: ["reason": "\(reason)", "connections": "\(state.value.connections.count)"])
        }
        if !state.value.isMakingRoom { makeRoom(server) }
    }

    /// Repeated while accepting pauses, because connections become idle meanwhile.
    private func makeRoom(_ server: any Channel) {
        state.value.isMakingRoom = state.value.isPaused && server.isActive
        guard state.value.isMakingRoom else { return }
        for connection in state.value.connections.values {
            connection.pipeline.fireUserInboundEventTriggered(ConnectionEvent.makeRoom)
        }
        server.eventLoop.scheduleTask(in: Self.pause) { self.makeRoom(server) }
    }

    private func resume(_ server: any Channel) {
        guard state.value.isPaused, state.value.connections.count < limit else { return }
        state.value.isPaused = false
        server.setOption(.autoRead, value: true).whenFailure { _ in }
    }
}
