import AgentMemory
import HTTPClient
import Logging
import MemoryHTTP
import MemoryService
import OAuth2
import Settings

/// How the server finds out who a request is from, as the settings say.
struct Access {
    /// `nil` serves everyone.
    let http: HTTPAccess?
    /// Runs as a service of the server; `nil` if no access tokens are accepted.
    let tokens: TokenAuthenticator?

    /// - Parameters:
    ///   - store: keeps the access tokens.
    ///   - client: fetches the keys of an issuer; its owner ends it.
    /// - Throws: ``MemoryError`` with code `misconfigured`.
    init(_ settings: Settings, tokens store: any TokenStore, client: HTTPClient, logger: Logger) throws(MemoryError) {
        let mode = settings.authentication
        tokens = mode == .token || mode == .both ? TokenAuthenticator(store: store, logger: logger) : nil
        let issuer =
            mode == .oauth2 || mode == .both
            ? try JWTAuthenticator(settings.oauth2, client: client, logger: logger) : nil
        let authenticator: any Authenticator
        switch (tokens, issuer) {
        case (let tokens?, let issuer?): authenticator = EitherAuthenticator(tokens: tokens, issuer: issuer)
        case (let tokens?, nil): authenticator = tokens
        case (nil, let issuer?): authenticator = issuer
        case (nil, nil):
            http = nil
            return
        }
        http = HTTPAccess(
            mode: mode.rawValue, authenticator: authenticator,
            requestsPerMinute: settings.access.rateLimit > 0 ? settings.access.rateLimit : nil)
    }

    /// An open server that other machines reach is seldom meant.
    func warnIfOpen(host: String, logger: Logger) {
        guard http == nil, !Self.isLoopback(host) else { return }
        logger.warning(
            "requests are not authenticated, and HOST=\(host) may be reached from other machines: set AUTH_MODE, or let HOST be 127.0.0.1"
        )
    }

    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host == "[::1]"
            || host.split(separator: ".", omittingEmptySubsequences: false).count == 4 && host.hasPrefix("127.")
    }
}

/// Access tokens and JWTs, told apart by their form.
private struct EitherAuthenticator: Authenticator {
    let tokens: TokenAuthenticator
    let issuer: JWTAuthenticator

    func caller(presenting secret: String) async throws(AuthenticationFailure) -> Caller {
        JWTAuthenticator.isLikely(secret)
            ? try await issuer.caller(presenting: secret) : try await tokens.caller(presenting: secret)
    }
}

extension Settings {
    fileprivate var oauth2: OAuth2Configuration {
        var configuration = OAuth2Configuration(issuer: self.access.issuer ?? "", keysURL: self.access.keysURL)
        configuration.audience = self.access.audience
        configuration.algorithms = self.access.algorithms
        configuration.leeway = self.access.leeway / .seconds(1)
        configuration.readScope = self.access.readScope
        configuration.writeScope = self.access.writeScope
        configuration.adminScope = self.access.adminScope
        configuration.metricsScope = self.access.metricsScope
        configuration.namespacesClaim = self.access.namespacesClaim
        configuration.usersClaim = self.access.usersClaim
        configuration.bindsUser = self.access.bindsUser
        return configuration
    }
}
