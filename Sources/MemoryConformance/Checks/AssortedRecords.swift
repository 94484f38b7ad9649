import AgentMemory

/// Records that differ in every field that filters know, and filters of every field and operator.
/// Each filter matches some records but not all, so that a filter that is dropped, in whole or in
/// part, shows.
enum AssortedRecords {
    /// 36 records whose texts share the word "common".
    static func records() throws -> [MemoryRecord] {
        try (0..<36).map { index in
            func pick<Value>(_ values: [Value]) -> Value { values[index % values.count] }
            return try MemoryRecord(
                id: "r\(index)", text: "[1, 0.\(index % 10)] common number\(index)",
                sessionID: pick(["s1", "s2", nil, "S1"]), userID: pick(["ada", "Ada", "bob", nil, "b,c"]),
                namespace: pick(["n1", nil, "n2"]), memoryType: pick(MemoryType.allCases),
                topics: pick([["tea"], ["tea", "milk"], [], ["milk", "sugar"], ["Tea"]]),
                entities: pick([["e1"], ["e1", "e2"], [], ["e2"]]), discreteMemoryExtracted: index % 2 == 0,
                extractionStrategy: pick(["discrete", "summary", "custom"]),
                createdAt: at(Int64(index / 2), index % 2 == 0 ? 0 : 1), lastAccessed: at(Int64(100 - index)),
                eventDate: index % 4 == 0 ? nil : at(Int64(index % 7), 5))
        }
    }

    /// Each with a name for reports.
    static func filters() throws -> [(name: String, filter: MemoryFilter)] {
        let records = try records()
        var filters: [(name: String, filter: MemoryFilter)] = []
        for field in TagField.allCases {
            let values = records.flatMap(field.values).exactlyDistinct()
            let (one, two) = (values[0], values[1])
            filters += [
                ("\(field.rawValue) eq", try tag(field, eq: one)), ("\(field.rawValue) ne", try tag(field, ne: one)),
                ("\(field.rawValue) all", try tag(field, all: [two])),
                ("\(field.rawValue) none", try tag(field, none: [two])),
                ("\(field.rawValue) any, ne", try tag(field, ne: one, any: [one, two])),
            ]
            if values.count > 2 { filters.append(("\(field.rawValue) any", try tag(field, any: [one, two]))) }
            if field.allowedValues == nil {
                filters.append(("\(field.rawValue) startswith", try tag(field, startsWith: two)))
            }
        }
        for field in DateField.allCases {
            guard let value = field.value(of: records[9]) else { continue }
            for comparison in DateCondition.Comparison.allCases {
                filters.append(
                    ("\(field.rawValue) \(comparison.rawValue)", try date(field, .init(comparison, value))))
            }
        }
        let between = DateCondition.between(at(3), at(9), inclusive: .left)
        filters += [
            ("topics all of two", try tag(.topics, all: ["tea", "milk"])),
            ("topics all, none", try tag(.topics, all: ["milk"], none: ["sugar"])),
            ("created_at between", MemoryFilter(dates: [.createdAt: try DateCondition(field: .createdAt, between)])),
            (
                "three fields",
                MemoryFilter(
                    tags: [
                        .userID: try TagCondition(field: .userID, any: ["ada", "bob"]),
                        .topics: try TagCondition(field: .topics, ne: "milk"),
                    ], dates: [.lastAccessed: try DateCondition(field: .lastAccessed, [.init(.gte, at(70))])])
            ),
        ]
        return filters
    }
}
