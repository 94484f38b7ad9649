public import Logging
import Synchronization

/// An HTTP client over libcurl: HTTP/1.1 and 2, kept-alive connections, TLS with verification,
/// proxies as libcurl takes them from `http_proxy`, `https_proxy` and `no_proxy`.
///
/// All transfers run on one thread, which starts with the first request and ends after
/// `idleTimeout` without one: an idle client has no thread, no connection and no buffer.
public final class HTTPClient: Sendable {
    public struct Configuration: Sendable {
        /// The largest number of concurrent transfers; the others wait in order. Default: 16.
        public var maximumConcurrentTransfers = 16
        /// Requests that may wait; one more is refused with `queueFull`. Default: 10,000.
        public var maximumQueuedRequests = 10_000
        /// For the name, the connection and the TLS handshake together. Default: 5 s.
        public var connectTimeout: Duration = .seconds(5)
        /// Bytes; a larger body ends the transfer with `tooLarge`. Default: 64 MiB.
        public var maximumResponseBytes = 64 << 20
        /// How long the thread and its connections remain after the last transfer. Default: 60 s.
        public var idleTimeout: Duration = .seconds(60)
        /// A PEM file of the authorities to trust; `nil` for the system's. Default: `nil`.
        public var certificateAuthorityFile: String?
        /// Default: `agent-memory`.
        public var userAgent = "agent-memory"

        public init() {}
    }

    private let loop: TransferLoop
    private let nextID = Atomic<Int>(0)

    public init(configuration: Configuration = Configuration(), logger: Logger = Logger(label: "http-client")) {
        loop = TransferLoop(configuration: configuration, logger: logger)
    }

    deinit {
        loop.stop(then: nil)
    }

    /// The response to one request, whatever its status.
    ///
    /// Cancelling the task ends the transfer and closes its connection.
    ///
    /// - Throws: ``HTTPClientError``.
    public func send(_ request: Request) async throws(HTTPClientError) -> Response {
        let url = try HTTPURL(request.url)
        try Self.validate(request)
        if Task.isCancelled { throw HTTPClientError(.cancelled, "the request was cancelled") }
        let id = nextID.add(1, ordering: .relaxed).newValue
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.submit(
                    QueuedRequest(
                        id: id, url: url, request: request, deadline: .now + request.timeout,
                        completion: { continuation.resume(returning: $0) }))
                // The handler may have run before the transfer existed.
                if Task.isCancelled { loop.cancel(id) }
            }
        } onCancel: {
            loop.cancel(id)
        }
        return try result.get()
    }

    /// Ends all transfers with `shutDown`, closes all connections and waits until the thread has
    /// ended. Further requests are refused; a second call returns once the first one is done.
    public func shutdown() async {
        await withCheckedContinuation { continuation in
            loop.stop { continuation.resume() }
        }
    }

    private static func validate(_ request: Request) throws(HTTPClientError) {
        guard request.timeout > .zero else {
            throw HTTPClientError(.invalidRequest, "the timeout is not positive")
        }
        for field in request.headers.fields {
            guard !field.name.isEmpty, field.name.utf8.allSatisfy(isTokenByte) else {
                throw HTTPClientError(.invalidRequest, "a header's name is not a token")
            }
            guard !field.value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) else {
                throw HTTPClientError(
                    .invalidRequest, "the value of the header \(field.name) has a control character or a line break")
            }
        }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
