import AgentMemory
import Foundation
import HTTPClient
import TestSupport

/// Calls of the API, with answers parsed.
struct RESTClient: Sendable {
    struct Answer: Sendable {
        let status: Int
        let text: String
        /// `null` where the text is not JSON.
        let json: JSONValue

        var ids: [String] { (json["memories"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue } }
        var total: Int? { json["total"]?.intValue }
        var detail: String { json["detail"]?.stringValue ?? json.jsonText }
    }

    private static let http = HTTPClient()
    let url: String
    private let credentials: HTTPHeaders

    init(_ url: String) {
        self.init(url, credentials: [:])
    }

    /// - Parameter credentials: what each request says about who it is from.
    init(_ url: String, credentials: HTTPHeaders) {
        self.url = url
        self.credentials = credentials
    }

    func send(_ method: HTTPClient.Method, _ path: String, _ body: JSONValue? = nil) async throws -> Answer {
        var headers = credentials
        if body != nil { headers.append("Content-Type", "application/json") }
        let response = try await Self.http.send(
            HTTPClient.Request(
                method: method, url: url + path, headers: headers,
                body: body.map { Array($0.jsonText.utf8) } ?? [], timeout: .seconds(120)))
        return Answer(
            status: response.status, text: String(decoding: response.body, as: UTF8.self),
            json: (try? JSONValue(parsing: response.body)) ?? .null)
    }

    func create(_ memories: [JSONValue], deduplicate: Bool = false) async throws -> Answer {
        try await send(
            .post, "/v1/long-term-memory/", ["memories": .array(memories), "deduplicate": .bool(deduplicate)])
    }

    func search(_ body: JSONValue) async throws -> Answer { try await send(.post, "/v1/long-term-memory/search", body) }
    func list(_ body: JSONValue) async throws -> Answer { try await send(.post, "/v1/long-term-memory/list", body) }
    func ready() async throws -> Answer { try await send(.get, "/v1/ready") }

    func count(_ filter: JSONValue = [:]) async throws -> Int? {
        try await send(.post, "/v1/long-term-memory/count", filter).json["count"]?.intValue
    }

    /// Asks until `condition` holds.
    ///
    /// - Throws: an error with the last answer once `limit` has passed.
    func wait(
        for call: (RESTClient) async throws -> Answer, within limit: Duration = .seconds(30),
        until condition: (Answer) -> Bool
    ) async throws {
        var last = "no answer"
        try await eventually(within: limit, "what is waited for; the last answer was \(last)") {
            let answer = try await call(self)
            last = "\(answer.status) \(answer.json.jsonText)"
            return condition(answer)
        }
    }
}
