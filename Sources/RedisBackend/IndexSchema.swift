import AgentMemory
import RedisDriver

/// The search index over the hashes: how it is made, and whether one that exists is fit to be used.
struct IndexSchema: Sendable {
    let keyPrefix: String
    let dimensions: Int
    let metric: DistanceMetric
    let algorithm: RedisMemoryDatabase.Configuration.Algorithm

    /// What single-valued tags are cut at: a control character, which no value can hold.
    private static let noSeparator = "\u{1F}"

    private static let singleTags = [
        "session_id", "user_id", "namespace", "memory_type", "extraction_strategy", "memory_hash",
        "discrete_memory_extracted",
    ]

    /// The fields that queries rely on.
    private static let required: Set<String> = Set(singleTags).union([
        "id_", RecordHash.exactID, "topics", "entities", RecordHash.keywordTerms, "created_at", "last_accessed",
        "event_date", "updated_at", RecordHash.vector,
    ])

    /// FT.CREATE. Names are case-sensitive, values are taken as they are, and no word is left out or stemmed again.
    func creation(named name: String) -> RedisCommand {
        var command = RedisCommand(
            "FT.CREATE", name, "ON", "HASH", "PREFIX", "1", keyPrefix, "STOPWORDS", "0", "SCHEMA")
        func tag(_ field: String, separator: String = Self.noSeparator, _ options: [String] = []) {
            command.append([field, "TAG", "SEPARATOR", separator, "CASESENSITIVE"] + options)
        }
        tag("id_", ["SORTABLE", "UNF"])
        tag(RecordHash.exactID, ["INDEXMISSING"])
        for field in Self.singleTags { tag(field) }
        tag("topics", separator: ",")
        tag("entities", separator: ",")
        command.append([RecordHash.keywordTerms, "TEXT", "NOSTEM", "INDEXMISSING"])
        command.append([
            "created_at", "NUMERIC", "SORTABLE", "last_accessed", "NUMERIC", "SORTABLE", "event_date", "NUMERIC",
            "updated_at", "NUMERIC",
        ])
        let vector = ["TYPE", "FLOAT32", "DIM", String(dimensions), "DISTANCE_METRIC", metric.rawValue]
        switch algorithm {
        case .flat: command.append([RecordHash.vector, "VECTOR", "FLAT", String(vector.count)] + vector)
        case .hnsw:
            let options = vector + ["M", "16", "EF_CONSTRUCTION", "200"]
            command.append([RecordHash.vector, "VECTOR", "HNSW", String(options.count)] + options)
        }
        return command
    }

    /// What an existing index is to us.
    enum Fitness: Equatable {
        case ours
        /// Made by someone else, such as the reference server: to be left alone.
        case foreign
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` if the index holds vectors of another length or metric,
    ///   which no second index over the same hashes could change.
    func fitness(of index: IndexInfo) throws(MemoryError) -> Fitness {
        if let length = index.dimensions, length != dimensions {
            throw MemoryError(
                .misconfigured,
                "the embedding model makes vectors of \(dimensions) dimensions, but the Redis index \(index.name) "
                    + "holds vectors of \(length): choose the model that filled it, or another index name and key prefix"
            )
        }
        guard Self.required.isSubset(of: index.fields), index.isCaseSensitive, index.prefixes == [keyPrefix] else {
            return .foreign
        }
        if let other = index.metric, other != metric.rawValue {
            throw MemoryError(
                .misconfigured,
                "the distance metric is set to \(metric.rawValue), but the Redis index \(index.name) was made "
                    + "with \(other): set it so, or choose another index name")
        }
        return .ours
    }
}

/// What FT.INFO says of an index, as far as it matters here.
struct IndexInfo: Sendable, Equatable {
    let name: String
    let prefixes: [String]
    let fields: Set<String>
    /// Whether the tags that filters compare keep upper and lower case apart.
    let isCaseSensitive: Bool
    let dimensions: Int?
    let metric: String?
    /// How the index was made, whatever is configured now.
    let algorithm: RedisMemoryDatabase.Configuration.Algorithm?
    /// Whether the engine still scans hashes that were there before the index.
    let isScanning: Bool
    /// 0 to 1
    let progress: Double
    let records: Int

    init?(name: String, reply: RedisValue) {
        guard let top = Self.pairs(reply) else { return nil }
        self.name = name
        prefixes = top["index_definition"].flatMap(Self.pairs)?["prefixes"]?.array?.compactMap(\.string) ?? []
        isScanning = (top["indexing"]?.double ?? 0) != 0
        progress = top["percent_indexed"]?.double.flatMap { $0.isFinite ? min(1, max(0, $0)) : nil } ?? 1
        records = top["num_docs"]?.double.flatMap { Int(exactly: $0.rounded()) } ?? 0

        var fields: Set<String> = []
        var caseSensitive: Set<String> = []
        var dimensions: Int?
        var metric: String?
        var algorithm: RedisMemoryDatabase.Configuration.Algorithm?
        for attribute in top["attributes"]?.array ?? [] {
            // Names with values, and single words such as SORTABLE among them.
            let words = attribute.array ?? []
            func value(after name: String) -> RedisValue? {
                guard let at = words.firstIndex(where: { $0.string?.lowercased() == name }), at + 1 < words.count else {
                    return nil
                }
                return words[at + 1]
            }
            guard let field = value(after: "identifier")?.string else { continue }
            fields.insert(field)
            if words.contains(where: { $0.string == "CASESENSITIVE" }) { caseSensitive.insert(field) }
            if field == RecordHash.vector {
                dimensions = value(after: "dim")?.integer
                metric = value(after: "distance_metric")?.string?.uppercased()
                algorithm = value(after: "algorithm")?.string.flatMap { .init(rawValue: $0.uppercased()) }
            }
        }
        self.fields = fields
        isCaseSensitive = caseSensitive.isSuperset(of: [
            "id_", "user_id", "session_id", "namespace", "topics", "entities",
        ])
        self.dimensions = dimensions
        self.metric = metric
        self.algorithm = algorithm
    }

    private static func pairs(_ value: RedisValue) -> [String: RedisValue]? {
        guard let elements = value.array else { return nil }
        var result: [String: RedisValue] = [:]
        for i in stride(from: 0, to: elements.count - 1, by: 2) {
            if let name = elements[i].string { result[name] = elements[i + 1] }
        }
        return result
    }
}
