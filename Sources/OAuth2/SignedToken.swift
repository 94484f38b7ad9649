import AgentMemory
import Foundation

/// The parts of a JWT (RFC 7519) in the compact form of a JWS (RFC 7515), of which nothing is
/// checked yet.
struct SignedToken: Sendable {
    let algorithm: String
    let keyID: String?
    /// Whether the header names extensions that must be understood (RFC 7515, 4.1.11).
    let hasCriticalExtensions: Bool
    /// What is signed.
    let signed: [UInt8]
    let signature: [UInt8]
    private let payload: [UInt8]

    /// `nil` for anything that is not three parts with a header in JSON.
    init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.decoded(parts[0]), let payload = Self.decoded(parts[1]),
            let signature = Self.decoded(parts[2]),
            let fields = try? JSONValue(parsing: header, repeatedNames: .refused).objectValue,
            let algorithm = fields["alg"]?.stringValue
        else { return nil }
        self.algorithm = algorithm
        keyID = fields["kid"]?.stringValue
        hasCriticalExtensions = fields["crit"] != nil
        signed = Array(text.utf8.prefix(parts[0].count + 1 + parts[1].count))
        self.signature = signature
        self.payload = payload
    }

    /// Whether a secret looks like a JWT rather than an access token.
    static func isLikely(_ text: String) -> Bool {
        text.utf8.count(where: { $0 == UInt8(ascii: ".") }) == 2
    }

    /// The claims; `nil` if they are not a JSON object.
    var claims: JSONObject? { try? JSONValue(parsing: payload, repeatedNames: .refused).objectValue }

    /// Resolves base64url without padding.
    private static func decoded(_ text: Substring.UTF8View) -> [UInt8]? {
        var standard = ""
        for byte in text {
            switch byte {
            case UInt8(ascii: "-"): standard.append("+")
            case UInt8(ascii: "_"): standard.append("/")
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): return nil
            default: standard.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        standard += String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        return Data(base64Encoded: standard).map(Array.init)
    }
}
