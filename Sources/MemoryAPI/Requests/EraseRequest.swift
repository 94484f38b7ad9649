public import AgentMemory

/// The body of POST /v1/erase: at least one of `user_id`, `namespace` and `session_id`, each as
/// `{"eq": "value"}`. Nothing else is read as a filter: it would erase something else than was
/// asked for.
public enum EraseRequest {
    private static let fields = ["user_id", "namespace", "session_id"]

    /// - Throws: ``ValidationFailure``.
    public static func scope(_ json: JSONValue) throws -> ErasureScope {
        let body = BodyReader(json)
        body.refuseUnknown(fields, "Unknown field")
        var values: [String: String] = [:]
        for name in fields { values[name] = value(name, body) }
        if values.isEmpty, !body.hasIssues {
            body.note(
                "value_error", at: body.location,
                "Value error, an erasure names a user_id, a namespace or a session_id", input: json)
        }
        guard !body.hasIssues else { return try body.finish(with: nil) }
        return try body.finish(
            with: try body.make { () throws(MemoryError) in
                try ErasureScope(
                    namespace: values["namespace"], userID: values["user_id"], sessionID: values["session_id"])
            })
    }

    private static func value(_ name: String, _ body: BodyReader) -> String? {
        guard let given = body.members[name] else { return nil }
        // An explicit null may be a value that was lost on the way.
        guard !given.isNull else {
            body.note("value_error", at: body.location(of: name), "Value error, \(name) must not be null", input: given)
            return nil
        }
        guard let condition = body.object(name) else { return nil }
        guard given.objectValue != nil else { return nil }
        condition.refuseUnknown(["eq"], "Unknown operator")
        guard condition.member("eq") != nil else {
            condition.noteMissing("eq")
            return nil
        }
        return condition.scope("eq")
    }
}
