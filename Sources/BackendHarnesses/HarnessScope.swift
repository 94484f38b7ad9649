/// The name of a scope: what a harness makes in a store begins with it, and so can be told from all
/// else.
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
