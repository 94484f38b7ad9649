import DequeModule
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A slot for a connection that many calls share. Connects when it is first needed, and again after
/// it broke.
///
/// `@unchecked Sendable`: apart from `load` and `isReady` (atomics) everything mutable is read and
/// written only on `eventLoop`, which also owns the channel; the entry points `run`, `prepare`,
/// `retire` and `close` hop there.
final class RedisConnection: @unchecked Sendable {
    private enum State {
        case disconnected
        case connecting
        case settingUp(any Channel)
        case ready(any Channel)
        /// The server must not be used any more: the connection finishes its calls, then another
        /// one is made.
        case retiring(any Channel)
        case closed
    }

    /// Number of running calls: the client gives the next one to the connection with the fewest.
    let load = Atomic<Int>(0)
    /// Whether a call would be written at once, without connecting first.
    let isReady = Atomic<Bool>(false)

    private let endpoint: RedisEndpoint
    private let configuration: RedisClient.Configuration
    private let tls: NIOSSLContext?
    private let eventLoop: any EventLoop
    private let logger: Logger

    private var state = State.disconnected {
        didSet {
            let isNowReady = if case .ready = state { true } else { false }
            isReady.store(isNowReady, ordering: .relaxed)
        }
    }
    private var readyAt = NIODeadline.uptimeNanoseconds(0)
    /// Distinguishes events of an abandoned channel from those of its successor.
    private var generation = 0
    private var reader = RedisReplyReader()
    private var inFlight: Deque<InFlight> = []
    private var pending: Deque<Pending> = []
    private var lastRead = NIODeadline.uptimeNanoseconds(0)
    private var timer: Scheduled<Void>?
    private var timerDeadline = NIODeadline.distantFuture
    private var isAttempting = false
    private var failures = 0
    private var notBefore = NIODeadline.uptimeNanoseconds(0)
    private var breakReason: RedisError?

    init(
        endpoint: RedisEndpoint, configuration: RedisClient.Configuration, tls: NIOSSLContext?,
        eventLoop: any EventLoop,
        logger: Logger
    ) {
        self.endpoint = endpoint
        self.configuration = configuration
        self.tls = tls
        self.eventLoop = eventLoop
        self.logger = logger
    }

    // MARK: From any task

    /// Whether the caller runs on the event loop of this connection.
    var isOnThisThread: Bool { eventLoop.inEventLoop }

    /// Sends a batch and waits for its replies.
    ///
    /// - Throws: ``RedisError``, or `CancellationError` when the task is cancelled.
    func run(_ batch: RedisBatch) async throws -> [RedisValue] {
        load.add(1, ordering: .relaxed)
        defer { load.subtract(1, ordering: .relaxed) }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard batch.begin(continuation) else { return }
                eventLoop.execute { self.accept(Pending(batch: batch, isSecondTry: false)) }
            }
        } onCancel: {
            // What was written already continues in the server; its reply is dropped.
            batch.settle(.failure(CancellationError()))
        }
    }

    /// Connects, if there is no connection, for later calls.
    func prepare() {
        eventLoop.execute { self.connectIfNeeded() }
    }

    /// Closes the connection once its calls have ended; the next one resolves the name again. A
    /// connection younger than the longest pause between two attempts stays, so that a server that
    /// refuses writes for long does not cause a reconnect per write.
    func retire() {
        eventLoop.execute {
            guard case .ready(let channel) = self.state,
                NIODeadline.now() - self.readyAt >= TimeAmount(self.configuration.maximumBackoff)
            else { return }
            self.state = .retiring(channel)
            self.logger.info(
                "ending a connection to a Redis server whose role has changed",
                metadata: ["endpoint": "\(self.endpoint)"])
            self.endIfRetired()
        }
    }

    func close() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            eventLoop.execute {
                self.closeNow()
                continuation.resume()
            }
        }
    }

    // MARK: On the event loop

    private func accept(_ call: Pending) {
        if case .closed = state {
            call.batch.settle(.failure(RedisError(.closed, "the Redis client was closed")))
            return
        }
        if case .ready(let channel) = state, pending.isEmpty, inFlight.count < configuration.maximumInFlight {
            write(call, to: channel)
            return
        }
        guard pending.count < configuration.maximumPending else {
            call.batch.settle(.failure(RedisError(.overloaded, "too many calls are waiting for the Redis server")))
            return
        }
        var call = call
        call.isLate = isAttempting
        pending.append(call)
        watch(call.batch.deadline)
        connectIfNeeded()
    }

    private func write(_ call: Pending, to channel: any Channel) {
        guard !call.batch.isSettled else { return }
        let now = NIODeadline.now()
        guard now < call.batch.deadline else {
            call.batch.settle(.failure(Self.timedOut))
            return
        }
        inFlight.append(
            InFlight(
                receiver: .call(call.batch), count: call.batch.count, writtenAt: now, isSecondTry: call.isSecondTry))
        watch(call.batch.deadline)
        channel.writeAndFlush(call.batch.bytes, promise: nil)
    }

    private func writePending() {
        while case .ready(let channel) = state, inFlight.count < configuration.maximumInFlight,
            let call = pending.popFirst()
        {
            write(call, to: channel)
        }
    }

    // MARK: Connecting

    private func connectIfNeeded() {
        guard case .disconnected = state else { return }
        let now = NIODeadline.now()
        state = .connecting
        if now < notBefore {
            eventLoop.scheduleTask(deadline: notBefore) { self.connect() }
        } else {
            connect()
        }
    }

    private func connect() {
        guard case .connecting = state else { return }
        isAttempting = true
        generation += 1
        let generation = generation
        let tls = tls
        let endpoint = endpoint
        var bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(endpoint.tlsHandler(tls)) }
                    try channel.pipeline.syncOperations.addHandler(
                        RedisChannelHandler(connection: self, generation: generation))
                }
            }
        let future: EventLoopFuture<any Channel>
        switch endpoint.address {
        case .tcp(let host, let port):
            bootstrap = bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.socketOption(.so_keepalive), value: 1)
            // An address needs no look-up; the threads for look-ups may all be busy.
            if let address = try? SocketAddress(ipAddress: host, port: port) {
                future = bootstrap.connect(to: address)
            } else {
                future = bootstrap.connect(host: host, port: port)
            }
        case .unixSocket(let path):
            future = bootstrap.connect(unixDomainSocketPath: path)
        }
        future.whenComplete { result in
            switch result {
            case .success(let channel): self.setUp(channel, generation)
            case .failure(let error): self.connectFailed(Self.connectError(error))
            }
        }
    }

    /// Logs in and runs the setup commands, all in one write.
    private func setUp(_ channel: any Channel, _ generation: Int) {
        guard case .connecting = state else {
            channel.close(promise: nil)
            return
        }
        guard generation == self.generation, channel.isActive else {
            // It broke before it could be used.
            self.generation += 1
            channel.close(promise: nil)
            connectFailed(RedisError(.connectionFailed, "the Redis server closed the connection at once"))
            return
        }
        reader = RedisReplyReader()
        breakReason = nil
        state = .settingUp(channel)
        let commands = configuration.connectionCommands(for: endpoint)
        var block: [UInt8] = []
        for command in commands { command.write(to: &block) }
        let now = NIODeadline.now()
        let deadline = now + TimeAmount(configuration.connectTimeout)
        inFlight.append(
            InFlight(receiver: .setup(deadline: deadline), count: commands.count, writtenAt: now, isSecondTry: false))
        watch(deadline)
        channel.writeAndFlush(ByteBuffer(bytes: block), promise: nil)
    }

    private func setUpAnswered(_ replies: [RedisValue]) {
        guard case .settingUp(let channel) = state else { return }
        do throws(RedisError) {
            try configuration.checkConnectionReplies(replies, for: endpoint)
        } catch {
            breakReason = error
            channel.close(promise: nil)
            return
        }
        failures = 0
        isAttempting = false
        readyAt = .now()
        state = .ready(channel)
        logger.debug("connected to Redis", metadata: ["endpoint": "\(endpoint)"])
        writePending()
    }

    private func connectFailed(_ error: RedisError) {
        if case .closed = state { return }
        isAttempting = false
        failures += 1
        notBefore = .now() + configuration.backoff(afterFailures: failures)
        state = .disconnected
        logger.debug("could not connect to Redis", metadata: ["endpoint": "\(endpoint)", "error": "\(error)"])
        let waiting = pending
        pending.removeAll()
        for var call in waiting {
            if call.isLate {
                call.isLate = false
                pending.append(call)
            } else {
                call.batch.settle(.failure(error))
            }
        }
        if !pending.isEmpty { connectIfNeeded() }
    }

    // MARK: What the channel says

    func received(_ buffer: ByteBuffer, generation: Int) {
        guard generation == self.generation else { return }
        lastRead = .now()
        do throws(RedisError) {
            let feeding: Result<Void, RedisError> = buffer.withUnsafeReadableBytes { bytes in
                Result { () throws(RedisError) in try reader.feed(bytes) }
            }
            try feeding.get()
            while let value = try reader.next() { deliver(value) }
        } catch {
            give(up: error)
        }
        writePending()
    }

    func channelBroke(_ error: (any Error)?, generation: Int) {
        guard generation == self.generation else { return }
        let reason = breakReason ?? error.map(Self.connectError)
        breakReason = nil
        // Later events of this channel are ignored.
        self.generation += 1
        let broken = inFlight
        inFlight.removeAll()
        switch state {
        case .settingUp:
            // A server without room for a further client says so and closes.
            var refusal: RedisError?
            if reason == nil, case .error(let error)? = broken.first?.replies.first { refusal = error }
            connectFailed(
                reason
                    ?? RedisError(
                        .connectionFailed, "the Redis server closed the connection at once",
                        underlying: refusal?.description))
        case .ready, .retiring:
            state = .disconnected
            let lost = reason ?? RedisError(.connectionLost, "the connection to the Redis server broke")
            logger.debug("lost a connection to Redis", metadata: ["endpoint": "\(endpoint)", "error": "\(lost)"])
            for flight in broken.reversed() {
                guard case .call(let batch) = flight.receiver else { continue }
                if batch.isRepeatable, !flight.isSecondTry {
                    pending.prepend(Pending(batch: batch, isSecondTry: true))
                } else {
                    batch.settle(
                        .failure(
                            RedisError(
                                .connectionLost, "the connection to the Redis server broke during a call",
                                underlying: reason?.description)))
                }
            }
            if !pending.isEmpty { connectIfNeeded() }
        case .disconnected, .connecting, .closed:
            break
        }
    }

    private func deliver(_ value: RedisValue) {
        guard !inFlight.isEmpty else {
            give(up: RedisError(.protocolViolation, "the server sent a reply without a request"))
            return
        }
        inFlight[0].replies.append(value)
        guard inFlight[0].replies.count == inFlight[0].count else { return }
        let done = inFlight.removeFirst()
        switch done.receiver {
        case .call(let batch): batch.settle(.success(done.replies))
        case .setup: setUpAnswered(done.replies)
        }
        endIfRetired()
    }

    private func endIfRetired() {
        guard case .retiring(let channel) = state, inFlight.isEmpty else { return }
        // Later events of this channel are ignored.
        generation += 1
        state = .disconnected
        channel.close(promise: nil)
        if !pending.isEmpty { connectIfNeeded() }
    }

    /// Closes a channel that cannot be used any more; its waiting calls fail at once.
    private func give(up error: RedisError) {
        switch state {
        case .settingUp(let channel), .ready(let channel), .retiring(let channel):
            breakReason = error
            let generation = generation
            channelBroke(nil, generation: generation)
            channel.close(promise: nil)
        case .disconnected, .connecting, .closed: break
        }
    }

    private func closeNow() {
        let error = RedisError(.closed, "the Redis client was closed")
        switch state {
        case .settingUp(let channel), .ready(let channel), .retiring(let channel): channel.close(promise: nil)
        case .disconnected, .connecting, .closed: break
        }
        state = .closed
        generation += 1
        timer?.cancel()
        timer = nil
        for flight in inFlight {
            if case .call(let batch) = flight.receiver { batch.settle(.failure(error)) }
        }
        for call in pending { call.batch.settle(.failure(error)) }
        inFlight.removeAll()
        pending.removeAll()
    }

    // MARK: Deadlines

    /// One timer for all calls: it fires at the earliest deadline and then checks all waiting
    /// calls.
    private func watch(_ deadline: NIODeadline) {
        guard timer == nil || deadline < timerDeadline else { return }
        timer?.cancel()
        timerDeadline = deadline
        timer = eventLoop.scheduleTask(deadline: deadline) { self.expire() }
    }

    private func expire() {
        timer = nil
        let now = NIODeadline.now()
        var next = NIODeadline.distantFuture
        var isStuck = false
        // Replies come in order: while the first call still has time, the later ones say nothing
        // about the peer.
        let isFirstOverdue = inFlight.first.map { $0.deadline <= now } ?? false
        for flight in inFlight {
            if flight.deadline > now {
                next = min(next, flight.deadline)
                continue
            }
            switch flight.receiver {
            case .call(let batch): batch.settle(.failure(Self.timedOut))
            case .setup: isStuck = true
            }
            // Nothing was received since it was written: the peer is dead, or busy for too long.
            if isFirstOverdue, lastRead < flight.writtenAt { isStuck = true }
        }
        pending.removeAll { call in
            if call.batch.deadline > now {
                next = min(next, call.batch.deadline)
                return call.batch.isSettled
            }
            call.batch.settle(.failure(Self.timedOut))
            return true
        }
        if next < .distantFuture { watch(next) }
        if isStuck { give(up: Self.timedOut) }
    }

    private static let timedOut = RedisError(.timedOut, "the Redis server did not respond in time")

    private static func connectError(_ error: any Error) -> RedisError {
        if let error = error as? RedisError { return error }
        return RedisError(
            .connectionFailed, "cannot connect to the Redis server", underlying: String(describing: error))
    }
}
