import NIOCore
import NIOSSL

extension RedisEndpoint {
    /// The shared settings of every connection's TLS handler; `nil` without TLS. Reads the
    /// certificate files.
    ///
    /// - Throws: ``RedisError`` with code `invalidEndpoint` if a file is missing or not PEM.
    func tlsContext() throws(RedisError) -> NIOSSLContext? {
        guard let tls else { return nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification =
            switch tls.verification {
            case .none: .none
            case .withoutHostname: .noHostnameVerification
            case .full: .fullVerification
            }
        do {
            if let file = tls.authorities { configuration.trustRoots = .file(file) }
            if let file = tls.certificate {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(file).map { .certificate($0) }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: tls.key ?? file, format: .pem))
            }
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw RedisError(
                .invalidEndpoint, "the TLS files that the Redis URL names cannot be used",
                underlying: String(describing: error))
        }
    }

    /// The handler that encrypts one connection.
    func tlsHandler(_ context: NIOSSLContext) throws -> NIOSSLClientHandler {
        switch address {
        case .tcp(let host, _):
            // Server names in TLS are never addresses.
            let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
            return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
        case .unixSocket:
            return try NIOSSLClientHandler(context: context, serverHostname: nil)
        }
    }
}
