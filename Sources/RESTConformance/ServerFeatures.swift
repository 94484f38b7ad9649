import AgentMemory
import HTTPClient

/// The capabilities of a server, determined by requests.
struct ServerFeatures: Sendable {
    /// Whether it has the routes list and count, and with them filters on id, memory_hash and
    /// discrete_memory_extracted, which the reference server lacks.
    let hasListing: Bool
    let capabilities: BackendCapabilities

    /// Searches a namespace without records.
    ///
    /// - Throws: ``MemoryError`` if the server cannot be reached, or refuses for a reason other
    ///   than the requested capability.
    static func probed(_ connection: RESTConnection, namespace: String) async throws -> ServerFeatures {
        let filter: JSONObject = ["namespace": ["eq": .string(namespace)]]
        func accepts(_ route: String, _ parameters: JSONObject) async throws -> Bool {
            var body = filter
            for (name, value) in parameters.members { body[name] = value }
            let answer = try await connection.send(
                .post, "/v1/long-term-memory/\(route)", body: Array(JSONValue.object(body).jsonText.utf8))
            switch answer.status {
            case 200: return true
            // The reference responds with 500 to an unknown scorer.
            case 400, 404, 405, 422, 500, 501: return false
            default: throw answer.failure
            }
        }
        func finds(_ mode: String, _ parameters: JSONObject = [:]) async throws -> Bool {
            var all: JSONObject = ["text": "probe", "search_mode": .string(mode), "recency_boost": false]
            for (name, value) in parameters.members { all[name] = value }
            return try await accepts("search", all)
        }
        guard try await finds("semantic") else {
            throw MemoryError(.misconfigured, "\(connection.origin) does not respond to a search as the REST API does")
        }
        var scorers: Set<TextScorer> = []
        for scorer in TextScorer.allCases {
            if try await finds("keyword", ["text_scorer": .string(scorer.rawValue)]) { scorers.insert(scorer) }
        }
        let lists = try await accepts("list", [:])
        let counts = try await accepts("count", [:])
        // The reference takes what it does not know, and so refuses no number.
        let ranksBlended = try await finds("hybrid", ["context_weight": 1])
        let refusesWeights = try await !finds("hybrid", ["context_weight": 1000])
        let filtersMetadata = try await accepts("search", ["metadata": ["probe": ["exists": true]]])
        let refusesOperators = try await !accepts("search", ["metadata": ["probe": ["like": true]]])
        // Refused in any case; a server that knows the member names it as well.
        let probe: JSONValue = ["memories": [["id": "probe", "text": " ", "expires_at": "soon"]]]
        let refusal = try await connection.send(.post, "/v1/long-term-memory/", body: Array(probe.jsonText.utf8))
        let places = refusal.body?["detail"]?.arrayValue?.compactMap { $0["loc"]?.arrayValue?.last?.stringValue } ?? []
        return ServerFeatures(
            hasListing: lists && counts,
            capabilities: BackendCapabilities(
                keywordSearch: try await finds("keyword"), hybridSearch: try await finds("hybrid"),
                serverSideRecency: try await finds("semantic", ["server_side_recency": true]),
                distanceThreshold: try await finds("semantic", ["distance_threshold": 1]),
                metadataFilters: filtersMetadata && refusesOperators, expiry: places.contains("expires_at"),
                blendedSearch: ranksBlended && refusesWeights,
                textScorers: scorers))
    }
}
