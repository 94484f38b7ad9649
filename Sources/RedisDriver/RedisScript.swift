import Crypto

/// A Lua script with the hash by which the server remembers it.
public struct RedisScript: Sendable {
    public let source: String
    /// 40 lower-case hex digits. Redis names scripts by SHA-1; no security depends on it.
    public let sha1: String

    public init(_ source: String) {
        self.source = source
        sha1 = Insecure.SHA1.hash(data: Array(source.utf8)).map { byte in
            let hex = String(byte, radix: 16)
            return byte < 16 ? "0" + hex : hex
        }.joined()
    }
}
