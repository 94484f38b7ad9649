public import AgentMemory

extension JSONValue {
    /// Parses JSON from the other side of the border. It wraps values, such as a record's metadata,
    /// that may be nested as deeply as a REST request permits.
    ///
    /// - Throws: ``JSONSyntaxError``.
    public init(fromBorder bytes: some Sequence<UInt8>) throws(JSONSyntaxError) {
        try self.init(parsing: bytes, maximumDepth: JSONValue.maximumDepth + 16)
    }
}
