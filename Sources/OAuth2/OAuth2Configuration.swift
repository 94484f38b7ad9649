/// Which JWTs are accepted, and what they permit.
public struct OAuth2Configuration: Sendable {
    /// What the claim `iss` must be, to the character.
    public var issuer: String
    /// What the claim `aud` must be or hold; `nil` does not look at it.
    public var audience: String?
    /// Where the issuer's keys are.
    public var keysURL: String
    /// The signatures that are accepted, such as `RS256`.
    public var algorithms: [String] = ["RS256"]
    /// Seconds by which clocks may differ for `exp` and `nbf`.
    public var leeway: Double = 10
    /// The scopes or roles that give each right.
    public var readScope = "memory:read"
    public var writeScope = "memory:write"
    public var adminScope = "memory:admin"
    public var metricsScope = "memory:metrics"
    /// The claim with the permitted namespaces; `nil` permits all.
    public var namespacesClaim: String?
    /// The claim with the permitted user ids; `nil` permits all.
    public var usersClaim: String?
    /// Whether `sub` is the only permitted user id.
    public var bindsUser = false

    /// Seconds by which `iat` may lie in the future.
    static let issuedAtLeeway: Double = 300

    /// - Parameter keysURL: that below the issuer if absent.
    public init(issuer: String, keysURL: String? = nil) {
        self.issuer = issuer
        self.keysURL = keysURL ?? (issuer.hasSuffix("/") ? issuer : issuer + "/") + ".well-known/jwks.json"
    }
}
