import FakeEmbeddings
import Foundation
import HTTPClient
import TestSupport
import Testing

@Suite("TLS", .enabled(if: SelfSignedCertificate.isAvailable, "the openssl command is not installed"), .tags(.alone))
struct TLSTests {
    private func withCertificate(_ body: (_ certificate: String, _ key: String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let files = try await SelfSignedCertificate(in: folder)
            try await body(files.certificate, files.key)
        }
    }

    @Test func `accepts only trusted certificates`() async throws {
        try await withCertificate { certificate, key in
            try await FakeEmbeddingsServer.run(["--tls-cert", certificate, "--tls-key", key]) { server in
                let distrusting = HTTPClient()
                await #expect {
                    try await distrusting.send(.init(url: "\(server.origin)/health"))
                } throws: { ($0 as? HTTPClientError)?.code == .tls }
                await distrusting.shutdown()

                var configuration = HTTPClient.Configuration()
                configuration.certificateAuthorityFile = certificate
                let trusting = HTTPClient(configuration: configuration)
                try await #expect(trusting.send(.init(url: "\(server.origin)/health")).status == 200)
                // The certificate is for another name.
                await #expect {
                    try await trusting.send(.init(url: "https://127.0.0.1:\(server.port)/health"))
                } throws: { ($0 as? HTTPClientError)?.code == .tls }
                await trusting.shutdown()
            }
        }
    }

    @Test func `tells a plain port`() async throws {
        try await FakeEmbeddingsServer.run { server in
            let client = HTTPClient()
            await #expect {
                try await client.send(.init(url: "https://127.0.0.1:\(server.port)/"))
            } throws: { ($0 as? HTTPClientError)?.code == .tls }
            await client.shutdown()
        }
    }
}
