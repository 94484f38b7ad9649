import NIOCore
import NIOHTTP1

/// The error that a request's handler gets instead of the rest of the body, if the connection
/// handler has ended the request. The handler's response is not sent.
struct RequestEnded: Error {}

/// Asks a connection to close if it is idle.
enum ConnectionEvent {
    case makeRoom
}

/// Keeps one connection within its limits: checks heads, enforces timeouts, responds to what never
/// reaches a route, and closes the connection in such a way that the last response arrives.
///
/// It is between the decoder and Hummingbird's part of the pipeline. Responses keep the order of
/// the requests: one of its own waits until the earlier ones are complete.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// A request that has been passed on and whose response is not complete.
    private struct Exchange {
        let isHEAD: Bool
        /// Whether the connection ends after the response.
        var closes: Bool
        /// Whether the client waits for 100 before it sends the body.
        var awaitsContinue: Bool
        var hasBegun = false
    }

    private enum Input {
        /// No byte of a next request has come.
        case idle
        case head
        case body
        /// Later input is ignored.
        case ignored
    }

    private let limits: ConnectionLimits
    private let rules: RequestHeadRules
    private let progress: DecodingProgress

    private var input = Input.idle
    private var exchanges = CircularBuffer<Exchange>(initialCapacity: 2)
    /// A response of this handler that waits for its turn.
    private var refusal: Refusal?
    /// Whether ``refusal`` replaces the last exchange's response rather than following it.
    private var replacesLast = false
    /// Whether ``refusal`` responds to a HEAD, and therefore has no body.
    private var refusesHEAD = false
    /// Whether the response that Hummingbird's part may still write has been replaced.
    private var isReplaced = false
    private var offersProtocol = false

    private var bodyLength = RequestHeadRules.BodyLength.none
    private var bodyLimit = 0
    private var bodyBytes = 0
    /// Bytes of the body in the current span of the body's timeout.
    private var spanBytes = 0

    private var isQuiescing = false
    private var isInputClosed = false
    /// The last response has been written, and the client should close.
    private var isClosing = false
    private var isReadOutstanding = false

    private var idleSince = NIODeadline.distantPast
    /// The end of the current phase of the input; `nil` while the server is processing.
    private var deadline: NIODeadline?
    private var timer: (task: Scheduled<Void>, at: NIODeadline)?
    private var writeTimer: Scheduled<Void>?

    init(limits: ConnectionLimits, progress: DecodingProgress) {
        self.limits = limits
        self.progress = progress
        rules = RequestHeadRules(limits: limits)
    }

    func handlerAdded(context: ChannelHandlerContext) { becomeIdle(context) }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.task.cancel()
        writeTimer?.cancel()
    }

    // MARK: What comes in

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .head(let head):
            progress.headIsComplete()
            offersProtocol = rules.offersProtocol(head)
            guard input != .ignored else { return }
            do {
                bodyLength = try rules.bodyLength(of: head)
            } catch {
                refusesHEAD = head.method == .HEAD
                return refuse(error.refusal, context)
            }
            input = .body
            deadline = nil
            bodyLimit = rules.bodyLimit(of: head)
            bodyBytes = 0
            exchanges.append(
                Exchange(
                    isHEAD: head.method == .HEAD, closes: rules.closes(head),
                    awaitsContinue: rules.awaitsContinue(head) && bodyLength != .none))
            context.fireChannelRead(data)
            sendContinue(context)
        case .body(let bytes):
            guard input == .body else { return }
            bodyBytes += bytes.readableBytes
            spanBytes += bytes.readableBytes
            guard bodyBytes <= bodyLimit else {
                return refuse(.bodyTooLarge(limits), context)
            }
            context.fireChannelRead(data)
        case .end:
            progress.requestIsComplete(offersProtocol: offersProtocol)
            guard input == .body else { return }
            deadline = nil
            // Requests after one that ends the connection, or that come during shutdown, are not
            // started.
            input = isQuiescing || exchanges.last?.closes == true ? .ignored : .idle
            context.fireChannelRead(data)
            if exchanges.isEmpty { answersAreComplete(context) }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReadOutstanding = false
        switch input {
        case .idle where progress.hasPartialHead:
            input = .head
            if exchanges.isEmpty { setDeadline(in: limits.headTimeout, context) }
        case .body where deadline == nil:
            spanBytes = 0
            setDeadline(in: isQuiescing ? ConnectionLimits.shutdownGrace : limits.bodyTimeout, context)
        default: break
        }
        context.fireChannelReadComplete()
        if isClosing { context.read() }
    }

    func read(context: ChannelHandlerContext) {
        // Once input is ignored, reading waits until the earlier responses are complete.
        guard input != .ignored || isClosing else { return }
        isReadOutstanding = true
        context.read()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard input != .ignored else { return }
        guard let error = error as? HTTPParserError else {
            // The client has reset the connection: handlers that wait for its bytes end, and no
            // response is sent.
            endRequest(context)
            return context.close(promise: nil)
        }
        refuse(Refusal(error, isInRequestLine: progress.lineIsTooLong, limits), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        endRequest(context)
        deadline = nil
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            quiesce(context)
        case ChannelEvent.inputClosed:
            isInputClosed = true
            if isClosing { return context.close(promise: nil) }
            context.fireUserInboundEventTriggered(event)
        case ConnectionEvent.makeRoom:
            let latest = context.eventLoop.now - TimeAmount(ConnectionLimits.idleBeforeMakingRoom)
            if input == .idle, exchanges.isEmpty, idleSince <= latest { context.close(promise: nil) }
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    private func quiesce(_ context: ChannelHandlerContext) {
        isQuiescing = true
        switch input {
        case .idle where exchanges.isEmpty:
            // The end of the last response may still be on its way to the socket.
            closeGently(context, waitsForClient: false)
        case .idle:
            input = .ignored
            exchanges[exchanges.index(before: exchanges.endIndex)].closes = true
        case .head:
            refuse(.shuttingDown, context)
        case .body:
            setDeadline(in: ConnectionLimits.shutdownGrace, context)
        case .ignored:
            // A deadline is set once everything is written.
            if isClosing, deadline != nil { setDeadline(in: ConnectionLimits.shutdownGrace, context) }
        }
    }

    // MARK: What goes out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isReplaced, !exchanges.isEmpty else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch Self.unwrapOutboundIn(data) {
        case .head(var head):
            guard head.status.code >= 200 else { return context.write(data, promise: promise) }
            exchanges[exchanges.startIndex].hasBegun = true
            exchanges[exchanges.startIndex].awaitsContinue = false
            if closesWithAnswer() {
                exchanges[exchanges.startIndex].closes = true
                head.headers.replaceOrAdd(name: "Connection", value: "close")
            }
            context.write(Self.wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            // The response to HEAD has the fields of GET's and no body: the next response would
            // start inside it.
            guard !exchanges[exchanges.startIndex].isHEAD else {
                promise?.succeed()
                return
            }
            context.write(data, promise: promise)
        case .end:
            let exchange = exchanges.removeFirst()
            context.write(data, promise: promise)
            if exchange.closes { closeGently(context) } else { answersAreComplete(context) }
        }
    }

    /// Whether the connection ends after the response that starts now.
    private func closesWithAnswer() -> Bool {
        if exchanges[exchanges.startIndex].closes { return true }
        guard exchanges.count == 1 else { return false }
        if isQuiescing { return true }
        // A response before the end of the body: the rest is read only if it is short.
        guard input == .body else { return false }
        switch bodyLength {
        case .none: return false
        case .known(let bytes): return bytes - bodyBytes > ConnectionLimits.worthDraining
        case .chunked: return bodyBytes > ConnectionLimits.worthDraining
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .input:
            // Hummingbird's part has been cancelled: the grace period is over.
            context.close(mode: .all, promise: promise)
        case .output, .all:
            // Hummingbird's part closes after errors and last responses too; that would be too
            // early.
            guard isClosing || isReplaced || refusal != nil else {
                return context.close(mode: mode, promise: promise)
            }
            if let promise { context.channel.closeFuture.cascade(to: promise) }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            writeTimer?.cancel()
            writeTimer = nil
        } else if writeTimer == nil {
            writeTimer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.writeTimeout)) {
                context.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    private func sendContinue(_ context: ChannelHandlerContext) {
        guard exchanges.count == 1, exchanges[exchanges.startIndex].awaitsContinue else { return }
        exchanges[exchanges.startIndex].awaitsContinue = false
        // A client that has sent the body meanwhile needs no interim response.
        guard input == .body, bodyBytes == 0 else { return }
        let head = HTTPResponseHead(version: .http1_1, status: .continue)
        context.writeAndFlush(Self.wrapOutboundOut(.head(head)), promise: nil)
    }

    /// One response is complete, and the connection continues.
    private func answersAreComplete(_ context: ChannelHandlerContext) {
        if refusal != nil { return sendRefusalInTurn(context) }
        guard exchanges.isEmpty else { return sendContinue(context) }
        switch input {
        case .idle: becomeIdle(context)
        case .head: setDeadline(in: limits.headTimeout, context)
        case .body: break
        case .ignored: closeGently(context)
        }
    }

    // MARK: Answers of this handler

    private func refuse(_ refusal: Refusal, _ context: ChannelHandlerContext) {
        guard input != .ignored else { return }
        let isInBody = input == .body
        input = .ignored
        deadline = nil
        if isInBody {
            // The request has its response, and only its body is not complete.
            guard !exchanges.isEmpty else { return closeGently(context) }
            replacesLast = true
        }
        self.refusal = refusal
        sendRefusalInTurn(context)
    }

    private func sendRefusalInTurn(_ context: ChannelHandlerContext) {
        guard let refusal, exchanges.count == (replacesLast ? 1 : 0) else { return }
        self.refusal = nil
        if replacesLast {
            guard !exchanges[exchanges.startIndex].hasBegun else {
                exchanges[exchanges.startIndex].closes = true
                return
            }
            refusesHEAD = exchanges.removeFirst().isHEAD
            isReplaced = true
            context.fireErrorCaught(RequestEnded())
        }
        let body = refusal.body
        context.write(
            Self.wrapOutboundOut(.head(refusal.head(contentLength: body.readableBytes))), promise: nil)
        if !refusesHEAD { context.write(Self.wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.write(Self.wrapOutboundOut(.end(nil)), promise: nil)
        closeGently(context)
    }

    /// Ends a request with an incomplete body, so that its handler does not take the part for the
    /// whole.
    private func endRequest(_ context: ChannelHandlerContext) {
        guard input == .body, !exchanges.isEmpty else { return }
        input = .ignored
        isReplaced = true
        context.fireErrorCaught(RequestEnded())
    }

    /// Sends what has been written, closes this side, and gives the client time to close its own.
    private func closeGently(_ context: ChannelHandlerContext, waitsForClient: Bool = true) {
        guard !isClosing else { return }
        isClosing = true
        input = .ignored
        // Writes are in order, so the promise succeeds once everything before is in the socket.
        let flushed = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer()))), promise: flushed)
        flushed.futureResult.assumeIsolated().whenComplete { result in
            guard case .success = result, waitsForClient, !self.isInputClosed else {
                return context.close(promise: nil)
            }
            context.close(mode: .output, promise: nil)
            self.setDeadline(
                in: self.isQuiescing ? ConnectionLimits.shutdownGrace : ConnectionLimits.closingTime, context)
            context.read()
        }
    }

    // MARK: The clock

    private func becomeIdle(_ context: ChannelHandlerContext) {
        idleSince = context.eventLoop.now
        setDeadline(in: limits.idleTimeout, context)
    }

    /// A timer that is set already and fires earlier stays, and is set again when it fires: most
    /// deadlines are replaced long before they are reached.
    private func setDeadline(in duration: Duration, _ context: ChannelHandlerContext) {
        let deadline = context.eventLoop.now + TimeAmount(duration)
        self.deadline = deadline
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        startTimer(at: deadline, context)
    }

    private func startTimer(at deadline: NIODeadline, _ context: ChannelHandlerContext) {
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.timer = nil
            guard let deadline = self.deadline else { return }
            if context.eventLoop.now < deadline {
                self.startTimer(at: deadline, context)
            } else {
                self.deadline = nil
                self.deadlineHasPassed(context)
            }
        }
        timer = (task, deadline)
    }

    private func deadlineHasPassed(_ context: ChannelHandlerContext) {
        switch input {
        case .idle: context.close(promise: nil)
        case .head: refuse(.headTooSlow(limits), context)
        case .body: endSpanOfBody(context)
        case .ignored: if isClosing { context.close(promise: nil) }
        }
    }

    private func endSpanOfBody(_ context: ChannelHandlerContext) {
        if isQuiescing { return refuse(.shuttingDown, context) }
        let wanted = Double(ConnectionLimits.slowestBodyRate) * (limits.bodyTimeout / .seconds(1))
        // Bytes that the server has not requested do not count against the client.
        guard isReadOutstanding, Double(spanBytes) < wanted else {
            spanBytes = 0
            return setDeadline(in: limits.bodyTimeout, context)
        }
        refuse(.bodyTooSlow(limits), context)
    }
}

@available(*, unavailable)
extension ConnectionHandler: Sendable {}
