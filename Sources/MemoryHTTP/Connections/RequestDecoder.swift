import NIOCore
import NIOHTTP1

/// The state that a decoder and its handler share, on the channel's event loop.
final class DecodingProgress {
    /// Whether there are bytes of a request whose head is not complete.
    fileprivate(set) var hasPartialHead = false
    /// Whether the request line itself is longer than a head may be.
    fileprivate(set) var lineIsTooLong = false
    fileprivate var requestHasEnded = false
    fileprivate var offersProtocol = false

    func headIsComplete() { hasPartialHead = false }

    /// - Parameter offersProtocol: whether NIO's decoder treats what follows as another protocol.
    func requestIsComplete(offersProtocol: Bool) {
        requestHasEnded = true
        self.offersProtocol = offersProtocol
    }
}

/// NIO's decoder of requests, extended to continue after a request that offers another protocol.
///
/// NIO's stops for good after CONNECT or `Upgrade`: it expects to be removed from the pipeline. A
/// server may ignore the offer (RFC 9110, 7.8), and the next request follows; so a new decoder
/// takes over there.
final class RequestDecoder: ByteToMessageDecoder {
    typealias InboundOut = HTTPServerRequestPart

    /// Header fields that a request may have.
    static let maximumFields = 256

    private let limit: Int
    private let progress: DecodingProgress
    private var decoder: HTTPRequestDecoder
    /// Whether the next byte starts a request.
    private var isBetweenRequests = true
    /// Bytes of the request line so far; `nil` once it is complete, or if its start was not seen.
    private var lineBytes: Int?
    /// Bytes that the last call left in the buffer.
    private var kept = 0

    /// - Parameter limit: bytes that a head may have.
    init(limit: Int, progress: DecodingProgress) {
        self.limit = limit
        self.progress = progress
        decoder = Self.makeDecoder(limit: limit)
    }

    private static func makeDecoder(limit: Int) -> HTTPRequestDecoder {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = limit
        limits.maxHeaderListSize = limit
        limits.maxHeaderFieldCount = maximumFields
        return HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
    }

    func decoderAdded(context: ChannelHandlerContext) { decoder.decoderAdded(context: context) }
    func decoderRemoved(context: ChannelHandlerContext) { decoder.decoderRemoved(context: context) }

    func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        if isBetweenRequests {
            isBetweenRequests = false
            progress.hasPartialHead = true
            lineBytes = 0
        }
        measureLine(buffer.readableBytesView.dropFirst(kept))
        _ = try decoder.decode(context: context, buffer: &buffer)
        kept = buffer.readableBytes
        guard progress.requestHasEnded else { return .needMoreData }
        progress.requestHasEnded = false
        lineBytes = nil
        if progress.offersProtocol {
            progress.offersProtocol = false
            decoder.decoderRemoved(context: context)
            decoder = Self.makeDecoder(limit: limit)
            decoder.decoderAdded(context: context)
            kept = 0
            isBetweenRequests = true
            return buffer.readableBytes > 0 ? .continue : .needMoreData
        }
        isBetweenRequests = buffer.readableBytes == 0
        return .needMoreData
    }

    func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        while buffer.readableBytes > kept, case .continue = try decode(context: context, buffer: &buffer) {}
        if seenEOF { _ = try decoder.decodeLast(context: context, buffer: &buffer, seenEOF: true) }
        return .needMoreData
    }

    private func measureLine(_ arrived: ByteBufferView) {
        guard let counted = lineBytes else { return }
        let rest = arrived.prefix { $0 != UInt8(ascii: "\n") }
        progress.lineIsTooLong = counted + rest.count > limit
        lineBytes = rest.count == arrived.count && !progress.lineIsTooLong ? counted + rest.count : nil
    }
}
