public import AgentMemory

/// The ids that a deletion names: in the query, or in a JSON body `{"memory_ids": [...]}`, because
/// a URL has its limits.
public struct DeleteRequest {
    /// In the order given.
    public let ids: [String]

    private init(ids: [String]) { self.ids = ids }

    /// The body of POST /v1/long-term-memory/delete. Any other member is refused: ignoring one that
    /// should narrow the deletion would delete more than was asked for.
    ///
    /// - Throws: ``ValidationFailure``.
    public init(_ json: JSONValue) throws {
        let body = BodyReader(json)
        body.refuseUnknown(["memory_ids"], "Unknown member")
        body.requireArray("memory_ids")
        ids = try body.finish(with: body.strings("memory_ids"))
    }

    /// DELETE /v1/long-term-memory, with either of the two.
    ///
    /// - Parameters:
    ///   - json: `nil` for a request without a body.
    ///   - query: the values of `memory_ids` there.
    /// - Throws: ``ValidationFailure``.
    public init(_ json: JSONValue?, query: [String]) throws {
        guard let json else {
            self.init(ids: query)
            return
        }
        guard query.isEmpty else {
            throw ValidationFailure(issues: [
                ValidationIssue(
                    "extra_forbidden", at: [.key("query"), .key("memory_ids")],
                    "memory_ids stands in the query or in the body, not in both")
            ])
        }
        try self.init(json)
    }
}
