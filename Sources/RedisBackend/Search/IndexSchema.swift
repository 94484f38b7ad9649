import AgentMemory
import RedisDriver

/// The search index over the hashes of memories.
struct IndexSchema: SearchIndex {
    let keyPrefix: String
    let dimensions: Int
    let metric: DistanceMetric
    let algorithm: RedisMemoryDatabase.Configuration.Algorithm
    /// The hash field of the vectors; queries know every such field as ``RecordHash/vector``.
    var vectorField = RecordHash.vector

    /// The separator of single-valued tags: a control character, which values cannot have.
    private static let noSeparator = "\u{1F}"

    private static let singleTags = [
        "session_id", "user_id", "namespace", "memory_type", "extraction_strategy", "memory_hash",
        "discrete_memory_extracted",
    ]

    /// The fields that queries rely on, with their types.
    private static let required: [String: String] = {
        var types = [RecordHash.keywordTerms: "TEXT"]
        for tag in singleTags + ["id_", RecordHash.exactID, "topics", "entities"] { types[tag] = "TAG" }
        for date in ["created_at", "last_accessed", "event_date", "updated_at"] { types[date] = "NUMERIC" }
        return types
    }()

    /// The tags that filters compare.
    private static let compared: Set<String> = ["id_", "user_id", "session_id", "namespace", "topics", "entities"]

    /// FT.CREATE. Names are case-sensitive, values are taken as they are, and no word is left out
    /// or stemmed again.
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
        tag(RecordHash.metadataTerms, separator: ",")
        command.append([RecordHash.keywordTerms, "TEXT", "NOSTEM", "INDEXMISSING"])
        command.append([
            "created_at", "NUMERIC", "SORTABLE", "last_accessed", "NUMERIC", "SORTABLE", "event_date", "NUMERIC",
            "updated_at", "NUMERIC", "expires_at", "NUMERIC",
        ])
        command.append(vectorField == RecordHash.vector ? [vectorField] : [vectorField, "AS", RecordHash.vector])
        let vector = ["TYPE", "FLOAT32", "DIM", String(dimensions), "DISTANCE_METRIC", metric.rawValue]
        switch algorithm {
        case .flat: command.append(["VECTOR", "FLAT", String(vector.count)] + vector)
        case .hnsw:
            let options = vector + ["M", "16", "EF_CONSTRUCTION", "200"]
            command.append(["VECTOR", "HNSW", String(options.count)] + options)
        }
        // Finds the records that a server with another model has written.
        command.append("INDEXMISSING")
        return command
    }

    /// FT.ALTER for each field that older versions of this backend did not index. Hashes are not
    /// scanned again: those that get the field are indexed when it is written.
    func additions(to index: IndexInfo) -> [RedisCommand] {
        [
            (RecordHash.metadataTerms, ["TAG", "SEPARATOR", ",", "CASESENSITIVE"]),
            (RecordHash.name(.expiresAt), ["NUMERIC"]),
        ].compactMap { field, type in
            guard index.types[field] == nil else { return nil }
            return RedisCommand(["FT.ALTER", index.name, "SKIPINITIALSCAN", "SCHEMA", "ADD", field] + type)
        }
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` if the index has vectors of another
    ///   length or metric, because a second index over the same hashes could not change that.
    func fitness(of index: IndexInfo) throws(MemoryError) -> IndexFitness {
        if let length = index.dimensions, length != dimensions {
            throw MemoryError(
                .misconfigured,
                "the embedding model makes vectors of \(dimensions) dimensions, but the Redis index \(index.name) "
                    + "holds vectors of \(length): choose the model that filled it, or another index name and key prefix"
            )
        }
        guard Self.isOwn(index, keyPrefix: keyPrefix, vectorField: vectorField) else { return .foreign }
        if let other = index.metric, other != metric.rawValue {
            throw MemoryError(
                .misconfigured,
                "the distance metric is set to \(metric.rawValue), but the Redis index \(index.name) was made "
                    + "with \(other): set it so, or choose another index name")
        }
        return .ours
    }

    /// Whether the index is one that this backend makes over these keys and vectors.
    static func isOwn(_ index: IndexInfo, keyPrefix: String, vectorField: String) -> Bool {
        index.keyType == "HASH" && !index.isPartial && required.allSatisfy { index.types[$0] == $1 }
            && index.types[vectorField] == "VECTOR" && index.caseSensitive.isSuperset(of: compared)
            && index.prefixes == [keyPrefix]
    }
}
