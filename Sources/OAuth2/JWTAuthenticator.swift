public import AgentMemory
public import HTTPClient
public import Logging

/// Recognises JWTs of one issuer. Checks and texts are those of redis/agent-memory-server, except
/// what its claims permit, which that server does not look at.
public struct JWTAuthenticator: Authenticator {
    private let configuration: OAuth2Configuration
    private let keys: KeySet
    private let now: @Sendable () -> Timestamp

    /// Fetches nothing yet.
    ///
    /// - Parameter client: fetches the issuer's keys; its owner ends it.
    /// - Throws: ``MemoryError`` with code `misconfigured` for a URL of keys that is none.
    public init(
        _ configuration: OAuth2Configuration, client: HTTPClient, logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) throws(MemoryError) {
        self.configuration = configuration
        self.now = now
        let shownURL: String
        do {
            let url = try HTTPURL(configuration.keysURL)
            shownURL = "\(url)\(url.path)"
        } catch {
            throw MemoryError(.misconfigured, "the URL of the issuer's keys: \(error.message)")
        }
        keys = KeySet(
            url: configuration.keysURL, shownAs: shownURL, algorithms: configuration.algorithms, client: client,
            logger: logger)
    }

    /// Whether a secret looks like a JWT rather than an access token.
    public static func isLikely(_ secret: String) -> Bool { SignedToken.isLikely(secret) }

    public func caller(presenting secret: String) async throws(AuthenticationFailure) -> Caller {
        guard let token = SignedToken(secret) else { throw Self.refused("Invalid token header") }
        guard let keyID = token.keyID, !keyID.isEmpty else { throw Self.refused("Token missing key identifier (kid)") }
        guard configuration.algorithms.contains(token.algorithm) else {
            throw Self.refused("Invalid JWT: The specified alg value is not allowed")
        }
        guard !token.hasCriticalExtensions else { throw Self.refused("Invalid JWT: Critical extensions are not known") }
        let key: KeySet.Key
        do throws(KeySet.Failure) {
            key = try await keys.key(keyID)
        } catch {
            switch error {
            case .unknownKey: throw Self.refused("Unable to find matching public key for kid: \(keyID)")
            case .unavailable:
                // Without the address and the reason, which are in the log: who asks is not known.
                throw AuthenticationFailure(.unavailable, "Unable to fetch JWKS; the log of the server says why")
            }
        }
        guard key.verifies(token) else {
            throw Self.refused("Invalid JWT: Signature verification failed.")
        }
        guard let claims = token.claims else { throw Self.refused("Invalid JWT: Invalid payload string") }
        return try caller(claims)
    }

    /// Who the claims, which are genuine, are about.
    private func caller(_ claims: JSONObject) throws(AuthenticationFailure) -> Caller {
        let now = now().secondsSinceEpoch
        for name in ["exp", "iat"] where claims[name] == nil {
            throw Self.refused("Invalid JWT: missing required key \"\(name)\" among claims")
        }
        let issuedAt = try Self.date(claims, "iat", "Issued At claim (iat)") ?? now
        if let notBefore = try Self.date(claims, "nbf", "Not Before claim (nbf)"),
            notBefore > now + configuration.leeway
        {
            throw Self.refused("Invalid JWT: The token is not yet valid (nbf)")
        }
        if let expiry = try Self.date(claims, "exp", "Expiration Time claim (exp)"),
            expiry <= now - configuration.leeway
        {
            throw Self.refused("Invalid JWT: Signature has expired.")
        }
        try checkAudience(claims["aud"])
        guard let issuer = claims["iss"]?.stringValue, ExactString(issuer) == ExactString(configuration.issuer) else {
            throw Self.refused("Invalid JWT: Invalid issuer")
        }
        if let subject = claims["sub"], subject.stringValue == nil {
            throw Self.refused("Invalid JWT: Subject must be a string.")
        }
        guard issuedAt <= now + OAuth2Configuration.issuedAtLeeway else {
            throw Self.refused("Token issued in the future")
        }
        guard let subject = claims["sub"]?.stringValue, !subject.isEmpty else {
            throw Self.refused("Token missing subject (sub) claim")
        }
        if let audience = configuration.audience, claims["aud"] == nil {
            throw Self.refused("Invalid audience. Expected: \(audience)")
        }
        return Caller(
            subject: Self.shown(subject), scope: try scope(claims, subject), rights: rights(claims))
    }

    private func checkAudience(_ claim: JSONValue?) throws(AuthenticationFailure) {
        guard let audience = configuration.audience, let claim else { return }
        let given = claim.stringValue.map { [$0] } ?? claim.stringsValue ?? []
        guard given.contains(where: { ExactString($0) == ExactString(audience) }) else {
            throw Self.refused("Invalid JWT: Invalid audience")
        }
    }

    private static func date(
        _ claims: JSONObject, _ name: String, _ title: String
    ) throws(AuthenticationFailure) -> Double? {
        guard let claim = claims[name] else { return nil }
        guard let seconds = claim.doubleValue, seconds.isFinite else {
            throw refused("Invalid JWT: \(title) must be a number.")
        }
        return seconds
    }

    // MARK: What the claims permit

    private func rights(_ claims: JSONObject) -> Caller.Rights {
        var words: [String] = []
        for name in ["scope", "scp", "roles"] {
            words +=
                claims[name]?.stringsValue ?? claims[name]?.stringValue?.split(separator: " ").map(String.init) ?? []
        }
        let given = Set(words.map(ExactString.init))
        var rights: Caller.Rights = []
        if given.contains(ExactString(configuration.readScope)) { rights.formUnion(.read) }
        if given.contains(ExactString(configuration.writeScope)) { rights.formUnion(.write) }
        if given.contains(ExactString(configuration.adminScope)) { rights.formUnion(.administer) }
        if given.contains(ExactString(configuration.metricsScope)) { rights.formUnion(.metrics) }
        return rights
    }

    private func scope(_ claims: JSONObject, _ subject: String) throws(AuthenticationFailure) -> AccessScope {
        let users =
            configuration.bindsUser
            ? PermittedValues(exactly: [subject]) : try permitted(claims, configuration.usersClaim)
        return AccessScope(namespaces: try permitted(claims, configuration.namespacesClaim), users: users)
    }

    /// A claim that is not there permits nothing.
    private func permitted(
        _ claims: JSONObject, _ name: String?
    ) throws(AuthenticationFailure) -> PermittedValues {
        guard let name else { return .everything }
        guard let claim = claims[name] else { return PermittedValues(exactly: []) }
        guard let patterns = claim.stringsValue ?? claim.stringValue.map({ [$0] }) else {
            throw Self.refused("Invalid JWT: \(name) must be a text or a list of texts")
        }
        if patterns.isEmpty { return PermittedValues(exactly: []) }
        do {
            return try PermittedValues(patterns: patterns, field: name)
        } catch {
            throw Self.refused("Invalid JWT: \(error.message)")
        }
    }

    private static func refused(_ message: String) -> AuthenticationFailure {
        AuthenticationFailure(.refused, message)
    }

    /// The subject as logs show it: one line, and not too long a one.
    private static func shown(_ subject: String) -> String {
        let plain = subject.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "?" : $0 }
        return "sub \(String(String.UnicodeScalarView(plain.prefix(64))))"
    }
}
