/// Who may use the server. Authentication does not exist yet, so that everything except the
/// defaults is refused: a server with access control requested must not run open.
public struct AccessSettings: SettingsRoom {
    public static let title = "Access"

    static let consequence = "this version has no authentication, and does not start if a setting asks for it"

    public let isDisabled = Setting<Bool>.bool(
        "DISABLE_AUTH", default: true, "Anything else stops the start, an empty value too.")
    public let usesTokens = Setting<Bool>.bool(
        "TOKEN_AUTH_ENABLED", default: false, "Anything else stops the start, an empty value too.")
    /// Whether the mode is `disabled`, which is the only one.
    public let isModeDisabled = Setting<Bool>.choice(
        "AUTH_MODE", ["disabled": true], default: true, otherwise: "\"disabled\": \(consequence)",
        "Anything else stops the start, an empty value too.")
}
