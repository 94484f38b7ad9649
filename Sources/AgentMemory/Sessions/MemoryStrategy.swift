/// How memories are to be extracted from a session's messages; stored with the session for the
/// extraction.
public struct MemoryStrategy: Sendable, Equatable {
    public enum Name: String, Sendable, CaseIterable {
        case discrete, summary, preferences, custom
    }

    public let name: Name
    public let config: JSONObject

    public init(_ name: Name = .discrete, config: JSONObject = [:]) {
        self.name = name
        self.config = config
    }

    /// Writes `{"strategy": …, "config": …}`.
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("strategy")
            writer.string(name.rawValue)
            writer.name("config")
            writer.value(.object(config))
        }
    }

    /// Reads what ``write(to:)`` or the reference wrote; anything else is the default.
    public init(stored value: JSONValue?) {
        self.init(
            value?["strategy"]?.stringValue.flatMap(Name.init(rawValue:)) ?? .discrete,
            config: value?["config"]?.objectValue ?? [:])
    }
}
