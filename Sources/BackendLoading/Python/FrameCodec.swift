import NIOCore

/// The frames between the server and the Python program: four bytes of length (little-endian), then
/// that many bytes of JSON.
struct FrameDecoder: ByteToMessageDecoder {
    typealias InboundOut = ByteBuffer

    /// A longer frame counts as a broken stream.
    static let maximumLength = 1 << 30

    struct TooLong: Error {}

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let length: UInt32 = buffer.getInteger(at: buffer.readerIndex, endianness: .little) else {
            return .needMoreData
        }
        guard length <= Self.maximumLength else { throw TooLong() }
        guard buffer.readableBytes >= 4 + Int(length) else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: 4)
        guard let frame = buffer.readSlice(length: Int(length)) else { return .needMoreData }
        context.fireChannelRead(wrapInboundOut(frame))
        return .continue
    }
}

struct FrameEncoder {
    static func frame(_ json: [UInt8], allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: 4 + json.count)
        buffer.writeInteger(UInt32(json.count), endianness: .little)
        buffer.writeBytes(json)
        return buffer
    }
}

/// Passes frames on in their order, and reports the end of the stream.
final class FrameReceiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let frames: AsyncStream<ByteBuffer>.Continuation

    init(_ frames: AsyncStream<ByteBuffer>.Continuation) {
        self.frames = frames
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        frames.yield(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) {
        frames.finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The stream cannot be read any further.
        context.close(promise: nil)
    }
}
