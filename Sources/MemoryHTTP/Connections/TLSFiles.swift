import AgentMemory
import HummingbirdTLS
import NIOSSL

/// The files that a server with TLS needs, in PEM.
public struct TLSFiles: Sendable {
    private let certificateChain: String
    private let key: String

    /// - Parameters:
    ///   - certificateChain: the server's certificate, then those that lead to an authority.
    ///   - key: the private key of the first one.
    public init(certificateChain: String, key: String) {
        self.certificateChain = certificateChain
        self.key = key
    }

    /// TLS 1.2 or later, for HTTP/1.1.
    func configuration() throws(MemoryError) -> TLSConfiguration {
        let certificates: [NIOSSLCertificate]
        do {
            certificates = try NIOSSLCertificate.fromPEMFile(certificateChain)
        } catch {
            throw MemoryError(
                .misconfigured, "the certificate in \(certificateChain) cannot be read", underlying: "\(error)")
        }
        guard !certificates.isEmpty else {
            throw MemoryError(.misconfigured, "there is no certificate in \(certificateChain)")
        }
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
        } catch {
            throw MemoryError(.misconfigured, "the key in \(key) cannot be read", underlying: "\(error)")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        return configuration
    }
}
