public import Logging

/// The address of the server, and its log.
public struct ServerSettings: SettingsRoom {
    public static let title = "Server"

    public let host = Setting<String>.word(
        "HOST", default: "127.0.0.1", "The address to listen on; `--host` overrides it.",
        problem: { $0.contains(where: \.isWhitespace) ? "the value has a blank" : nil })
    public let port = Setting<Int>.int(
        "PORT", in: 0...65_535, default: 8000, "The port to listen on; `--port` overrides it; 0 takes a free one.")
    public let certificateFile = Setting<String?>.word(
        "TLS_CERT_FILE", "A PEM file with the certificate chain: the server speaks HTTPS, and nothing else.")
    public let keyFile = Setting<String?>.word("TLS_KEY_FILE", "A PEM file with the key of the certificate.")
    public let showsMetrics = Setting<Bool>.bool(
        "METRICS_ENABLED", default: true,
        "Whether `GET /metrics` shows [what the server counts](operations.md#metrics); `false`: 404.")
    public let logLevel = Setting<Logger.Level>.choice(
        "LOG_LEVEL",
        [
            "DEBUG": .debug, "INFO": .info, "WARNING": .warning, "ERROR": .error, "CRITICAL": .critical,
            "TRACE": .trace,
        ], default: .info, "What is logged to standard error.")
}
