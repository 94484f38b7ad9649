public import Foundation

/// A certificate for `localhost` and its key, both files in the format PEM. It is made with the
/// `openssl` command for each test, because one in the repository would expire.
public struct SelfSignedCertificate: Sendable {
    public let certificate: String
    public let key: String

    public struct CommandError: Error, CustomStringConvertible {
        public let description: String
    }

    public static let isAvailable = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
        .contains { FileManager.default.isExecutableFile(atPath: "\($0)/openssl") }

    /// Makes the files in `folder`.
    public init(in folder: URL) async throws {
        certificate = folder.appendingPathComponent("certificate.pem").path
        key = folder.appendingPathComponent("key.pem").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
            "-keyout", key, "-out", certificate,
        ]
        process.standardError = FileHandle.nullDevice
        let ended = AsyncStream<Void>.makeStream()
        process.terminationHandler = { _ in ended.continuation.finish() }
        try process.run()
        for await _ in ended.stream {}
        guard process.terminationStatus == 0 else {
            throw CommandError(description: "openssl ended with \(process.terminationStatus)")
        }
    }
}
