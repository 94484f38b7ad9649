import AgentMemory

/// The requests of one check to the API. Each is logged for its evidence with its status and the
/// places that a 422 names; other content of a response might be users' data, and is not logged.
struct RESTCalls: Sendable {
    struct Answer: Sendable {
        let status: Int
        let body: JSONValue?

        var memories: [JSONValue] { body?["memories"]?.arrayValue ?? [] }
        var ids: [String] { memories.compactMap { $0["id"]?.stringValue } }
        var total: Int? { body?["total"]?.intValue }
        /// The `loc` of every entry of a 422, such as `body.memories.0.id`.
        var places: [String] {
            (body?["detail"]?.arrayValue ?? []).map { entry in
                (entry["loc"]?.arrayValue ?? []).map { $0.stringValue ?? $0.jsonText }.joined(separator: ".")
            }
        }
    }

    static let records = "/v1/long-term-memory"

    private let client: any WireClient
    private let log: CallLog

    init(_ client: any WireClient, log: CallLog) {
        self.client = client
        self.log = log
    }

    /// The prefix of ids and namespaces in the scope.
    var scope: String { client.scope }

    /// The namespace of records that were added without one.
    var namespace: JSONValue { ["eq": .string(scope)] }

    func send(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> Answer {
        try await send(method, path, bytes: body.map { Array($0.jsonText.utf8) })
    }

    func send(_ method: String, _ path: String, bytes: [UInt8]?) async throws -> Answer {
        let call = "\(method) \(path) \(bytes.map { String(decoding: $0, as: UTF8.self) } ?? "")"
        do {
            let (status, body) = try await client.send(method, path, bytes: bytes)
            let answer = Answer(status: status, body: body)
            log.add("\(call) -> \(status) \(answer.places.joined(separator: " "))")
            return answer
        } catch {
            log.add("\(call) threw \(error)")
            throw error
        }
    }

    /// Searches records of the scope that have no namespace of their own, unless `body` says
    /// otherwise.
    func search(_ body: JSONObject) async throws -> Answer {
        var whole: JSONObject = ["namespace": namespace, "recency_boost": false]
        for (name, value) in body.members { whole[name] = value }
        return try await send("POST", Self.records + "/search", .object(whole))
    }

    func create(_ memories: [JSONObject], deduplicate: Bool = false) async throws -> Answer {
        let body: JSONValue = [
            "memories": .array(memories.map { .object($0) }), "deduplicate": .bool(deduplicate),
        ]
        return try await send("POST", Self.records + "/", body)
    }

    /// A memory of the scope to create, with the given members in addition.
    func memory(_ id: String, _ members: JSONObject = [:]) -> JSONObject {
        var memory: JSONObject = [
            "id": .string(scope + id), "text": .string("[1] text of \(id)"), "namespace": .string(scope),
        ]
        for (name, value) in members.members { memory[name] = value }
        return memory
    }

    /// The path of a record of the scope.
    func path(_ id: String) -> String {
        let encoded = (scope + id).utf8.map { byte in
            let isPlain =
                byte < 0x80 && (Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber)
            return isPlain ? String(Unicode.Scalar(byte)) : (byte < 16 ? "%0" : "%") + String(byte, radix: 16)
        }
        return Self.records + "/" + encoded.joined()
    }
}

extension CheckScope {
    /// Expects a response with this status.
    func expect(_ what: String, _ answer: RESTCalls.Answer, status: Int) throws(Mismatch) {
        try expect("status of \(what)", answer.status, status)
    }

    /// Expects 422 with an entry whose `loc` is `place`, or below it.
    func expectRefused(_ what: String, _ answer: RESTCalls.Answer, at place: String) throws(Mismatch) {
        try expect(what, answer, status: 422)
        guard answer.places.contains(where: { $0 == place || $0.hasPrefix(place + ".") }) else {
            throw Mismatch("loc of \(what)", expected: place, got: answer.places.joined(separator: ", "))
        }
    }
}
