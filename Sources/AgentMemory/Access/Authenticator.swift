/// Finds out who a request is from.
public protocol Authenticator: Sendable {
    /// The caller who presents this secret (an access token, or a JWT).
    ///
    /// - Throws: ``AuthenticationFailure``.
    func caller(presenting secret: String) async throws(AuthenticationFailure) -> Caller
}

/// Why the caller of a request is unknown.
public struct AuthenticationFailure: Error, Sendable, Equatable {
    public enum Reason: Sendable, Equatable {
        /// What was presented is not accepted. REST: 401.
        case refused
        /// It cannot be checked now. REST: 503.
        case unavailable
    }

    public let reason: Reason
    /// One sentence for the client, without secrets.
    public let message: String
    /// What logs call the one who asked; never a secret. `nil` if nothing is known.
    public let subject: String?
    /// What happened below, for logs only.
    public let underlying: String?

    public init(_ reason: Reason, _ message: String, subject: String? = nil, underlying: String? = nil) {
        self.reason = reason
        self.message = message
        self.subject = subject
        self.underlying = underlying
    }
}
