import AgentMemory
import RedisDriver

/// The relevant part of FT.INFO for an index.
struct IndexInfo: Sendable, Equatable {
    let name: String
    let prefixes: [String]
    /// `HASH` or `JSON`
    let keyType: String?
    /// Names of hash fields, or paths in JSON documents, with their types, such as `TAG`.
    let types: [String: String]
    /// Whether it excludes some of the keys.
    let isPartial: Bool
    /// Those of the fields that are case-sensitive tags.
    let caseSensitive: Set<String>
    let dimensions: Int?
    let metric: String?
    /// The properties of the existing index, which may differ from the settings.
    let algorithm: RedisMemoryDatabase.Configuration.Algorithm?
    /// Whether it supports queries for records without a vector.
    let findsMissingVectors: Bool
    /// Whether the engine still scans hashes that existed before the index.
    let isScanning: Bool
    /// 0 to 1
    let progress: Double
    let records: Int

    init?(name: String, reply: RedisValue) {
        guard let top = Self.pairs(reply) else { return nil }
        self.name = name
        let definition = top["index_definition"].flatMap(Self.pairs)
        prefixes = definition?["prefixes"]?.array?.compactMap(\.string) ?? []
        keyType = definition?["key_type"]?.string?.uppercased()
        isPartial = definition?["filter"].map { $0.string?.isEmpty != true } ?? false
        isScanning = (top["indexing"]?.double ?? 0) != 0
        progress = top["percent_indexed"]?.double.flatMap { $0.isFinite ? min(1, max(0, $0)) : nil } ?? 1
        records = top["num_docs"]?.double.flatMap { Int(exactly: $0.rounded()) } ?? 0

        var types: [String: String] = [:]
        var caseSensitive: Set<String> = []
        var dimensions: Int?
        var metric: String?
        var algorithm: RedisMemoryDatabase.Configuration.Algorithm?
        var findsMissingVectors = false
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
            let type = value(after: "type")?.string?.uppercased() ?? ""
            types[field] = type
            if words.contains(where: { $0.string == "CASESENSITIVE" }) { caseSensitive.insert(field) }
            if type == "VECTOR" {
                // Vectors are written as floats of 32 bits.
                let element = value(after: "data_type")?.string?.uppercased() ?? "FLOAT32"
                if element != "FLOAT32" { types[field] = "VECTOR \(element)" }
                findsMissingVectors = words.contains { $0.string == "INDEXMISSING" }
                dimensions = value(after: "dim")?.integer
                metric = value(after: "distance_metric")?.string?.uppercased()
                algorithm = value(after: "algorithm")?.string.flatMap { .init(rawValue: $0.uppercased()) }
            }
        }
        self.types = types
        self.caseSensitive = caseSensitive
        self.dimensions = dimensions
        self.metric = metric
        self.algorithm = algorithm
        self.findsMissingVectors = findsMissingVectors
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
