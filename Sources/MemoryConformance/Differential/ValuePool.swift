import AgentMemory

/// The values that one random history is made of: few of each kind, so that records share them and
/// filters hit.
struct ValuePool: Sendable {
    let ids: [String]
    let users: [String]
    let sessions: [String]
    let namespaces: [String]
    let topics: [String]
    let entities: [String]
    let strategies: [String]
    let texts: [String]
    let queries: [String]
    let dates: [Timestamp]
    let metadata: [JSONObject]

    init(_ random: inout SplitMix64) {
        func values(_ ordinary: [String], _ ordinaryCount: Int, hostile: Int, _ random: inout SplitMix64) -> [String] {
            (random.sample(ordinary, ordinaryCount) + random.sample(HostileStrings.tags, hostile)).exactlyDistinct()
        }
        let idsBeyondTags = [" lead", "trail ", "a,b", "\u{A0}nbsp"]
        ids =
            values((0..<30).map { "r\($0)" }, random.between(6, 18), hostile: random.between(1, 4), &random)
            + random.sample(idsBeyondTags, random.below(2))
        // Values that differ by case, by normal form or by a comma, and values with a common
        // prefix.
        users = values(["alice", "Alice", "alic", "é", "e\u{301}", "a,b", "a"], 3, hostile: 2, &random)
        sessions = values(["s1", "s11", "S1", "s,1", "s 1"], 2, hostile: 1, &random)
        namespaces = values(["n", "n|m", "n,m", "N", "nn"], 2, hostile: 1, &random)
        topics = values(["t", "to", "top", "T", "a b", "ß", "ss"], 4, hostile: 2, &random)
        entities = values(["Ann", "ann", "Anna", "Bob", "bob "], 2, hostile: 1, &random)
        strategies = values(["discrete", "summary", "preferences", "custom"], 3, hostile: random.below(2), &random)

        let vectors = random.sample(Self.vectors, 5)
        texts = (0..<random.between(6, 12)).map { _ in
            switch random.below(10) {
            case 0: random.pick(HostileStrings.texts)
            case 1: " \(Self.words(&random))\n"
            default: "\(random.pick(vectors)) \(Self.words(&random))"
            }
        }
        queries = (0..<6).map { _ in
            switch random.below(10) {
            case 0...3: "\(random.pick(vectors)) \(Self.words(&random))"
            case 4, 5: random.pick(Self.vocabulary)
            case 6: Self.words(&random)
            case 7:
                "\"\(random.pick(Self.vocabulary)) \(random.pick(Self.vocabulary))\" \(random.pick(Self.vocabulary))"
            case 8: random.pick(Self.oddQueries)
            default: random.pick(HostileStrings.texts)
            }
        }
        let days = random.sample(Self.days, 3)
        dates =
            days
            + (0..<5).map { _ in
                let steps: [Int64] = [1, -1, 2, 500, 1000, 999_999, 1_000_000, 60_000_000, 86_400_000_000]
                return Timestamp(microseconds: random.pick(days).microseconds + random.pick(steps)) ?? random.pick(days)
            }
        metadata = random.sample(Self.metadata, 5)
    }

    /// Directions in and out of a plane: some are equal except for their length, some are mirror
    /// images.
    private static let vectors = [
        "[1]", "[2]", "[0, 1]", "[1, 1]", "[1, -1]", "[0.5, 0.5]", "[1, 0.5]", "[1, 0.2]", "[-1]", "[-1, 0.2]",
        "[0.3, 1]",
        "[0, 0, 1]", "[0.6, 0, 0.8]",
    ]

    private static let vocabulary = [
        "fox", "foxes", "Fox", "dog", "lazy", "the", "snake_case", "Straße", "STRASSE", "naïve", "nai\u{308}ve", "it's",
        "x1",
        "42", "日本語",
    ]

    private static let oddQueries = [
        "?!", "\"", "\"\"", "\"?\" fox", "\"fox", "fox*", "-fox", "fox | dog", "(fox", "@text:fox", "%fox%", "\\",
        "{fox}", "🙂",
        "fox AND dog", "fo?", "~fox", "'fox'", "\"lazy dog\" \"the fox\"", "nowhere",
    ]

    private static let days = [
        "2024-01-01", "2024-02-29T12:00:00Z", "2023-12-31T23:59:59.999999Z", "1970-01-01",
        "1969-12-31T23:59:59.999999Z",
        "1700-01-01T00:00:00.000001Z", "2241-12-31T23:59:59.5Z", "2024-06-01T10:00:00.123456Z",
        "2025-11-11T11:11:11.111111Z",
    ].compactMap(Timestamp.init(parsing:))

    private static let metadata: [JSONObject] = [
        [:], ["a": nil], ["a": [], "b": [:]], ["n": 12_345_678_901_234_567, "d": 0.1],
        ["é": "e\u{301}", "e\u{301}": "é"],
        ["deep": ["a": [1, ["b": [true, "x\n\"\\"]]]]], ["big": 9_007_199_254_740_993, "negative": -1, "zero": 0],
        ["text": "'; DROP TABLE memories; --", "": "no name", "$p": "{}"],
        ["year": 2024, "source": "crm"], ["year": 2024.0, "flag": true], ["year": "2024", "source": "CRM"],
        ["year": 2023.5, "flag": nil], ["year": -2024, "big": 9_007_199_254_740_992, "source": ""],
        ["year": huge, "n": tiny, "zero": -0.0],
    ]

    /// Numbers beyond a double's range.
    private static let huge: JSONValue = (try? JSONValue(parsing: "1e400")) ?? .null
    private static let tiny: JSONValue = (try? JSONValue(parsing: "-1e-400")) ?? .null

    private static func words(_ random: inout SplitMix64) -> String {
        (0..<random.between(1, 6)).map { _ in random.pick(vocabulary) }.joined(separator: " ")
    }
}
