import AgentMemory
import HTTPClient
import MemoryConformance

/// Requests as a check wrote them, with a note of every id in them that must be removed.
struct RESTWireClient: WireClient {
    private let connection: RESTConnection
    private let records: RESTScope
    private let settling: WriteSettling?

    /// - Parameter settling: waits for what a request creates; `nil` does not wait.
    init(_ connection: RESTConnection, scope: RESTScope, settling: WriteSettling?) {
        self.connection = connection
        records = scope
        self.settling = settling
    }

    var scope: String { records.prefix }

    func send(_ method: String, _ path: String, bytes: [UInt8]?) async throws -> (status: Int, body: JSONValue?) {
        guard let known = HTTPClient.Method(rawValue: method) else {
            throw NotApplicable("the client sends no \(method)")
        }
        let body = bytes.flatMap { try? JSONValue(parsing: $0) }
        let ids = (body?["memories"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }
        records.willStore(ids.filter { records.own($0) != nil })
        let answer = try await connection.send(known, path, body: bytes)
        if answer.status == 200, known == .post, let settling {
            for memory in body?["memories"]?.arrayValue ?? [] {
                guard let id = memory["id"]?.stringValue, records.own(id) != nil else { continue }
                let path = "/v1/long-term-memory/\(RESTMemoryDatabase.percentEncoded(id))"
                try await settling.wait {
                    try await connection.send(.get, path).body?["text"] == memory["text"]
                }
            }
        }
        return (answer.status, answer.body)
    }
}
