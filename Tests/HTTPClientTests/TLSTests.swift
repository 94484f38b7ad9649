import FakeEmbeddings
import Foundation
import HTTPClient
import Testing

private let hasOpenSSL = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
    .contains { FileManager.default.isExecutableFile(atPath: "\($0)/openssl") }

/// Certificates are made for each run with the `openssl` command: one in the repository would
/// expire.
@Suite("TLS", .enabled(if: hasOpenSSL, "the openssl command is not installed"))
struct TLSTests {
    private func withCertificate(_ body: (_ certificate: String, _ key: String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let certificate = folder.appendingPathComponent("cert.pem").path
        let key = folder.appendingPathComponent("key.pem").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
            "-keyout", key, "-out", certificate,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        try await body(certificate, key)
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
