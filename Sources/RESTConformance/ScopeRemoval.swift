import AgentMemory
import HTTPClient
import MemoryConformance

/// Deletes the records of a scope on the server.
struct ScopeRemoval: Sendable {
    private let connection: RESTConnection
    private let scope: RESTScope

    init(_ connection: RESTConnection, _ scope: RESTScope) {
        self.connection = connection
        self.scope = scope
    }

    /// Deletes what was added, then what is found under the scope's names, such as a record that
    /// the server should have refused and stored under an id of its own. Retries for a minute if
    /// the server cannot do it.
    ///
    /// - Throws: ``MemoryError`` if records remain; its message names the prefix.
    func run() async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            do {
                try await removeOnce()
                return
            } catch let error as MemoryError
                where [.storeUnavailable, .timedOut].contains(error.code) && ContinuousClock.now < deadline
            {
                try await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    private func removeOnce() async throws {
        let known = scope.storedIDs
        _ = try await RESTMemoryDatabase.delete(known, over: connection)
        scope.didRemove(known)
        while true {
            let found = try await foundIDs()
            guard !found.isEmpty else { return }
            guard try await RESTMemoryDatabase.delete(found, over: connection) > 0 else {
                throw MemoryError(
                    .internalError, "records whose namespace begins with \(scope.prefix) remain on the server")
            }
        }
    }

    /// Ids of records whose own namespace is in this scope, regardless of the server's filter.
    private func foundIDs() async throws -> [String] {
        let body: JSONValue = [
            "namespace": ["startswith": .string(scope.prefix)], "limit": 100, "recency_boost": false,
        ]
        let answer = try await connection.call(.post, "/v1/long-term-memory/search", body)
        return try MemberReader(answer: answer).required("memories", \.arrayValue).compactMap { memory in
            guard let namespace = memory["namespace"]?.stringValue, scope.own(namespace) != nil else { return nil }
            return memory["id"]?.stringValue
        }
    }
}
