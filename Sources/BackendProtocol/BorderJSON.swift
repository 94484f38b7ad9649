public import AgentMemory

extension JSONValue {
    /// Parses what came across the border: it wraps values, such as a record's metadata, that may
    /// be as deep as a request over REST allows.
    ///
    /// - Throws: ``JSONSyntaxError``.
    public init(fromBorder bytes: some Sequence<UInt8>) throws(JSONSyntaxError) {
        try self.init(parsing: bytes, maximumDepth: JSONValue.maximumDepth + 16)
    }
}
