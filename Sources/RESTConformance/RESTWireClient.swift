import AgentMemory
import HTTPClient
import MemoryConformance

/// Requests as a check wrote them, with a note of every id in them that has to be removed.
struct RESTWireClient: WireClient {
    private let connection: RESTConnection
    private let records: RESTScope

    init(_ connection: RESTConnection, scope: RESTScope) {
        self.connection = connection
        records = scope
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
        return (answer.status, answer.body)
    }
}
