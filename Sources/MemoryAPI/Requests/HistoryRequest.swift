public import AgentMemory

/// What the routes of histories take.
public enum HistoryRequest {
    /// The parameters of GET /v1/long-term-memory/{id}/history. A namespace has no effect there, as
    /// in the other routes of one memory.
    public static let parametersOfPage = ParameterNames(taken: ["limit", "offset"], ignored: ["namespace"])
    /// The parameters of GET /v1/events.
    public static let parametersOfFeed = ParameterNames(taken: ["after", "limit"])

    /// Whether an undo leaves memories with later changes as they are, from the body of POST
    /// /v1/operations/{operation}/undo.
    ///
    /// - Parameter json: `nil` for a request without a body.
    /// - Throws: ``ValidationFailure``.
    public static func isForced(_ json: JSONValue?) throws -> Bool {
        let body = BodyReader(json ?? .object([:]))
        body.refuseUnknown(["force"], "Unknown field")
        let isForced = body.bool("force") ?? false
        try body.finish()
        return isForced
    }

    private static let limits = 1...1000
    private static let standardLimit = 100

    /// - Throws: ``ValidationFailure``.
    public static func page(_ query: BodyReader) throws -> PageRequest {
        let limit = query.int("limit", in: limits) ?? standardLimit
        let offset = query.int("offset", in: 0...Int.max) ?? 0
        return try query.finish(
            with: try query.make { () throws(MemoryError) in
                try PageRequest(limit: limit, offset: offset)
            })
    }

    /// - Throws: ``ValidationFailure``.
    public static func feed(_ query: BodyReader) throws -> (after: Int, limit: Int) {
        let after = query.int("after", in: 0...Int.max) ?? 0
        let limit = query.int("limit", in: limits) ?? standardLimit
        try query.finish()
        return (after, limit)
    }

    /// The number of the event to return to, from the body of POST
    /// /v1/long-term-memory/{id}/restore.
    ///
    /// - Throws: ``ValidationFailure``.
    public static func target(_ json: JSONValue) throws -> Int {
        let body = BodyReader(json)
        body.refuseUnknown(["to"], "Unknown field")
        let sequence = body.int("to", in: 0...Int.max)
        if body.member("to") == nil { body.noteMissing("to") }
        return try body.finish(with: sequence)
    }
}
