/// The name of a scope: the prefix of everything that a harness creates in a store, which
/// distinguishes it from all else.
public struct HarnessScope {
    /// Such as `conformance_4f1a09b2c3d4e5f6`; a valid name for an index, a key prefix and a
    /// schema.
    public let name: String

    static let prefix = "conformance_"

    public init() {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        name = Self.prefix + String(repeating: "0", count: 16 - digits.count) + digits
    }
}
