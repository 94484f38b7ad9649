import Crypto

/// A token as a store keeps it: what its bearer may do, under the hash of its secret. The secret
/// itself is known to the bearer alone.
public struct AccessToken: Sendable, Equatable {
    /// SHA-256 of the secret, as 64 hexadecimal digits.
    public let hash: String
    /// What people call the token.
    public let description: String
    public let rights: Caller.Rights
    public let scope: AccessScope
    public let createdAt: Timestamp
    /// From then on the token is refused; `nil` for never.
    public var expiresAt: Timestamp?
    /// The last use that was written down, which happens once a minute at most; `nil` for none.
    public var lastUsedAt: Timestamp?

    public init(
        hash: String, description: String, rights: Caller.Rights, scope: AccessScope = .everything,
        createdAt: Timestamp, expiresAt: Timestamp? = nil, lastUsedAt: Timestamp? = nil
    ) {
        self.hash = hash
        self.description = description
        self.rights = rights
        self.scope = scope
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.lastUsedAt = lastUsedAt
    }

    public func hasExpired(at now: Timestamp) -> Bool { expiresAt.map { $0 <= now } ?? false }

    /// The same token with another secret.
    public func renewed(hash: String, createdAt: Timestamp, expiresAt: Timestamp?) -> AccessToken {
        AccessToken(
            hash: hash, description: description, rights: rights, scope: scope, createdAt: createdAt,
            expiresAt: expiresAt)
    }

    /// Who a request with this token is from.
    public var caller: Caller { Caller(subject: Self.subject(ofHash: hash), scope: scope, rights: rights) }

    /// What logs call the bearer of a token: the beginning of the hash, never the token.
    public static func subject(ofHash hash: String) -> String { "token \(hash.prefix(12))" }

    // MARK: Secrets

    /// A secret of 256 random bits, in the alphabet of URLs.
    public static func newSecret() -> String {
        var generator = SystemRandomNumberGenerator()
        let words: [UInt64] = (0..<4).map { _ in generator.next() }
        return base64URL(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } })
    }

    /// The hash of a secret. One round of a fast function is enough for 256 random bits, which
    /// nothing can try out.
    public static func hash(ofSecret secret: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(64)
        for byte in SHA256.hash(data: Array(secret.utf8)) {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[Int(buffer >> UInt32(bits) & 63)])
            }
        }
        if bits > 0 { text.append(alphabet[Int(buffer << UInt32(6 - bits) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }
}

extension Caller.Rights {
    /// The rights with their names, as commands, stores and claims spell them.
    public static let named: KeyValuePairs<String, Caller.Rights> = [
        "read": .read, "write": .write, "admin": .administer, "metrics": .metrics,
    ]

    /// The names of the rights, in the order of ``named``.
    public var names: [String] { Self.named.filter { isSuperset(of: $0.value) }.map(\.key) }

    /// - Throws: ``MemoryError`` with code `invalidInput` for a name that no right has, or none.
    public init(names: [String]) throws(MemoryError) {
        guard !names.isEmpty else {
            throw .invalid("rights", "rights must name at least one of read, write, admin, metrics")
        }
        var rights: Caller.Rights = []
        for name in names {
            guard let right = Self.named.first(where: { $0.key == name })?.value else {
                throw .invalid("rights", "a right is one of read, write, admin, metrics")
            }
            rights.formUnion(right)
        }
        self = rights
    }
}

extension AccessToken {
    /// Everything but the hash and the last use, as stores keep it. Dates are microseconds since
    /// 1970.
    public var json: JSONObject {
        var object = scope.json
        object["description"] = .string(description)
        object["rights"] = .array(rights.names.map { .string($0) })
        object["created_at"] = .int(Int(createdAt.microseconds))
        if let expiresAt { object["expires_at"] = .int(Int(expiresAt.microseconds)) }
        return object
    }

    /// Reads ``json``.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` for anything else.
    public init(hash: String, json: JSONObject, lastUsedAt: Timestamp?) throws(MemoryError) {
        func date(_ name: String) throws(MemoryError) -> Timestamp? {
            guard let value = json[name] else { return nil }
            guard let date = value.intValue.flatMap({ Timestamp(microseconds: Int64($0)) }) else {
                throw .invalid(name, "\(name) must be a number of microseconds")
            }
            return date
        }
        guard let description = json["description"]?.stringValue else {
            throw .invalid("description", "description must be a text")
        }
        guard let createdAt = try date("created_at") else { throw .invalid("created_at", "created_at must be given") }
        self.init(
            hash: hash, description: description,
            rights: try Caller.Rights(names: (json["rights"]?.arrayValue ?? []).compactMap(\.stringValue)),
            scope: try AccessScope(json: json), createdAt: createdAt, expiresAt: try date("expires_at"),
            lastUsedAt: lastUsedAt)
    }
}
