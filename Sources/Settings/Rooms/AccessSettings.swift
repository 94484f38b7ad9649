/// Who may use the server.
public struct AccessSettings: SettingsRoom {
    public static let title = "Access"

    /// How requests are authenticated.
    public enum Mode: String, Sendable { case disabled, token, oauth2, both }

    /// One of several settings that say it; ``Settings/authentication`` is what is in force.
    public let mode = Setting<Mode>.choice(
        "AUTH_MODE", ["disabled": .disabled, "token": .token, "oauth2": .oauth2, "both": .both], default: .disabled,
        "How requests are authenticated: by [access tokens](access.md#tokens), by JWTs of an [OAuth2 issuer](access.md#oauth2), or by either. `disabled` serves everyone."
    )
    public let isDisabled = Setting<Bool>.bool(
        "DISABLE_AUTH", default: true,
        "Need not be set: `false` demands an `AUTH_MODE`, and `true` forbids one.")
    public let usesTokens = Setting<Bool>.bool(
        "TOKEN_AUTH_ENABLED", default: false,
        "`true` accepts access tokens, alone or in addition to `AUTH_MODE=oauth2`.")
    public let issuer = Setting<String?>.address(
        "OAUTH2_ISSUER_URL", "The claim `iss` of accepted JWTs, to the character.")
    public let audience = Setting<String?>.address(
        "OAUTH2_AUDIENCE", values: "text", "What the claim `aud` must hold; without it the audience is not checked.")
    public let keysURL = Setting<String?>.address(
        "OAUTH2_JWKS_URL", "The issuer's keys; without it `OAUTH2_ISSUER_URL` and `/.well-known/jwks.json`.")
    public let algorithms = Setting<[String]>.names(
        "OAUTH2_ALGORITHMS", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"],
        default: ["RS256"], "The signatures that are accepted.")
    public let leeway = Setting<Duration>.seconds(
        "OAUTH2_LEEWAY_SECONDS", in: 0...600, default: 10, "How far clocks may differ for `exp` and `nbf`.")
    public let readScope = Setting<String>.word(
        "OAUTH2_READ_SCOPE", default: "memory:read", "The scope or role that permits reading.")
    public let writeScope = Setting<String>.word(
        "OAUTH2_WRITE_SCOPE", default: "memory:write", "The scope or role that permits writing.")
    public let adminScope = Setting<String>.word(
        "OAUTH2_ADMIN_SCOPE", default: "memory:admin", "The scope or role that permits administration.")
    public let metricsScope = Setting<String>.word(
        "OAUTH2_METRICS_SCOPE", default: "memory:metrics",
        "The scope or role that permits reading [metrics](operations.md#metrics).")
    public let namespacesClaim = Setting<String?>.word(
        "OAUTH2_NAMESPACES_CLAIM",
        "The claim that lists the namespaces a JWT may reach, with patterns as those of tokens; without this setting all."
    )
    public let usersClaim = Setting<String?>.word(
        "OAUTH2_USERS_CLAIM", "The claim that lists the user ids a JWT may reach; without this setting all.")
    public let bindsUser = Setting<Bool>.bool(
        "AUTH_BIND_USER", default: false, "`true`: the claim `sub` is the only user id that a JWT may reach.")
    public let rateLimit = Setting<Int>.int(
        "RATE_LIMIT", in: 0...10_000_000, default: 0,
        "Requests a minute of one token or subject; more get 429 with `Retry-After`. 0 sets no limit.")
}

extension Settings {
    /// How requests are authenticated, from all settings that say it.
    public var authentication: AccessSettings.Mode { Self.authentication(SettingValues(values)) }

    static func authentication(_ values: SettingValues) -> AccessSettings.Mode {
        switch (values.access.mode, values.access.usesTokens) {
        case (.disabled, false): .disabled
        case (.disabled, true), (.token, _): .token
        case (.oauth2, false): .oauth2
        case (.oauth2, true), (.both, _): .both
        }
    }
}
