import HTTPTypes
public import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// The pipeline of a connection: the decoder, ``ConnectionHandler``, and Hummingbird's part.
struct ConnectionChannel: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: Responder
    let limits: ConnectionLimits

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let progress = DecodingProgress()
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(HTTPResponseEncoder())
            try pipeline.addHandler(
                ByteToMessageHandler(RequestDecoder(limit: limits.headBytes, progress: progress)))
            try pipeline.addHandler(ConnectionHandler(limits: limits, progress: progress))
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async {
        await withTaskExecutorPreference(EventLoopExecutor(value.channel.eventLoop)) {
            await handleHTTP(asyncChannel: value, logger: logger)
        }
    }
}

extension HTTPServerBuilder {
    /// HTTP/1.1 and 1.0 with the `limits` of a connection.
    ///
    /// - Parameter files: of the certificate; `nil` serves without TLS.
    /// - Throws: ``MemoryError`` with code `misconfigured` for files that cannot be used.
    public static func bounded(_ limits: ConnectionLimits, tls files: TLSFiles? = nil) throws -> HTTPServerBuilder {
        let plain = HTTPServerBuilder { responder in ConnectionChannel(responder: responder, limits: limits) }
        guard let files else { return plain }
        return try .tls(plain, tlsConfiguration: try files.configuration())
    }
}
