import AgentMemory
import Testing

/// Conditions on metadata, and the terms that stores look for in their place.
@Suite struct MetadataConditionTests {
    private func number(_ literal: String) throws -> MetadataScalar {
        try #require(MetadataScalar(try JSONValue(parsing: literal)))
    }

    @Test(arguments: [
        ("1", "1.0"), ("1", "10e-1"), ("100", "1e2"), ("0", "-0.0"), ("0", "0e5"), ("-1.50", "-15E-1"),
        ("0.001", "1e-3"),
        ("1e400", "10e399"), ("1200", "1.2e+03"),
    ]) func `spellings of one number are equal`(_ a: String, _ b: String) throws {
        #expect(try number(a) == number(b))
        #expect(try MetadataTerms.term(of: "k", number(a)) == MetadataTerms.term(of: "k", number(b)))
    }

    @Test(arguments: [
        ("1", "-1"), ("9007199254740993", "9007199254740992"), ("1e400", "1e401"), ("0.1", "0.10000000000000000001"),
        ("12", "120"), ("1e99999999999999999999", "1e99999999999999999998"),
    ]) func `other numbers are not`(_ a: String, _ b: String) throws {
        #expect(try number(a) != number(b))
        #expect(try MetadataTerms.term(of: "k", number(a)) != MetadataTerms.term(of: "k", number(b)))
    }

    @Test func `values of different kinds have different terms`() throws {
        let values: [JSONValue] = [1, "1", true, "true", "t", "e\u{301}", "é", "", "n1e0"]
        let terms = values.compactMap(MetadataScalar.init).map { MetadataTerms.term(of: "k", $0) }
        #expect(Set(terms).count == values.count)
        #expect(MetadataTerms.term(of: "k", try number("1")) != MetadataTerms.term(of: "k1", try number("1")))
    }

    @Test func `what says nothing or contradicts itself is refused`() throws {
        let one = try number("1")
        for make: () throws -> MetadataCondition in [
            { try MetadataCondition(key: "k") }, { try MetadataCondition(key: "k", eq: one, ne: one) },
            { try MetadataCondition(key: "k", anyGroups: [[]]) }, { try MetadataCondition(key: "k", none: []) },
            { try MetadataCondition(key: "k", eq: one, exists: false) },
            { try MetadataCondition(key: "k", bounds: [.init(.gt, 1), .init(.gt, 2)]) },
            { try MetadataCondition(key: "k", bounds: [.init(.gt, .infinity)]) },
            { try MetadataCondition(key: "k", json: ["like": 1]) },
            { try MetadataCondition(key: "k", json: ["eq": [1]]) },
        ] {
            #expect(throws: MemoryError.self) { _ = try make() }
        }
    }

    @Test func `terms decide as conditions do`() throws {
        let literals = [
            "0", "-0.0", "1", "-1", "16", "17", "255.5", "2024", "-2024", "0.1", "-0.1", "1e300", "-1e300", "5e-324",
            "1e400", "-1e400", "9007199254740993", "123456.789", "1e-400",
        ]
        let numbers = try literals.map { try JSONValue(parsing: $0) }
        let bounds = [
            0, 1, -1, 16, 16.5, 2024, 2023.9, -2024, 0.1, 1e300, -1e300, .leastNonzeroMagnitude, 1.0.nextUp,
            16.0.nextDown,
        ]
        let kinds = MetadataCondition.Bound.Comparison.allCases
        let singles = bounds.flatMap { bound in kinds.map { [MetadataCondition.Bound($0, bound)] } }
        let pairs = bounds.flatMap { low in
            bounds.map { [MetadataCondition.Bound(.gt, low), MetadataCondition.Bound(.lte, $0)] }
        }
        for bounds in singles + pairs {
            let condition = try MetadataCondition(key: "k", bounds: bounds)
            let range = try #require(condition.range)
            let cover = Set(range.cover(of: "k"))
            let excluded = range.excludedTerm(of: "k")
            let ends = range.ends(of: "k")
            #expect(cover.count <= 500)
            for number in numbers {
                let terms = MetadataTerms.of(["k": number], withPrefixes: true)
                let isCovered = !cover.isDisjoint(with: terms) && !terms.contains { $0 == excluded }
                #expect(isCovered == condition.matches(number), "\(bounds) \(number.jsonText)")
                let isBetween = MetadataTerms.of(["k": number], withPrefixes: false).contains { term in
                    guard let ends else { return false }
                    return term.utf8.lexicographicallyPrecedes(ends.from.utf8) == false
                        && ends.to.utf8.lexicographicallyPrecedes(term.utf8) == false && term != excluded
                }
                #expect(isBetween == condition.matches(number), "\(bounds) \(number.jsonText)")
            }
        }
    }

    @Test func `round bounds have few terms`() throws {
        for year in [1, 1970, 2024, 1_000_000] as [Double] {
            let range = try #require(try MetadataCondition(key: "k", bounds: [.init(.gte, year)]).range)
            #expect(range.cover(of: "k").count < 80)
        }
        #expect(MetadataTerms.of(["k": 2024], withPrefixes: true).count < 10)
    }

    @Test func `a record has at most 64 keys`() throws {
        var metadata: JSONObject = [:]
        for index in 0..<64 { metadata["k\(index)"] = 1 }
        _ = try MemoryRecord(id: "a", text: "x", metadata: metadata)
        metadata["one more"] = 1
        #expect(throws: MemoryError.self) { try MemoryRecord(id: "a", text: "x", metadata: metadata) }
        let error = #expect(throws: MemoryError.self) { try RecordChanges(metadata: metadata) }
        #expect(error?.path == [.key("metadata")])
    }
}
