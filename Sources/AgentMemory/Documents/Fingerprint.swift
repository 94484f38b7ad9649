import Crypto

/// Identifies a content: equal fingerprints mean equal parts in the same order.
public enum Fingerprint {
    /// SHA-256 in lower-case hex, over the UTF-8 of the parts with 0x1F between them.
    ///
    /// - Parameters:
    ///   - parts: in their order.
    ///   - length: how many of the 64 digits are kept.
    public static func of(_ parts: [String], length: Int = 64) -> String {
        var hash = SHA256()
        for (position, part) in parts.enumerated() {
            if position > 0 { hash.update(data: [0x1F]) }
            hash.update(data: Array(part.utf8))
        }
        let digits = Array("0123456789abcdef".utf8)
        let hex = hash.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: hex.prefix(length), as: UTF8.self)
    }
}
