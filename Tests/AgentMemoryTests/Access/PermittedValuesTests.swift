import AgentMemory
import Testing

@Suite struct PermittedValuesTests {
    private func values(_ patterns: String...) throws -> PermittedValues {
        try PermittedValues(patterns: patterns, field: "namespaces")
    }

    @Test func `a pattern is a value, a prefix or everything`() throws {
        let some = try values("a", "team-*")
        for value in ["a", "team-", "team-1", "team-*"] { #expect(some.contains(value), "\(value)") }
        for value in [nil, "", "A", "ab", "team", "Team-1"] { #expect(!some.contains(value), "\(value ?? "none")") }
        #expect(try values("a", "*") == .everything && values("*").contains(nil))
        #expect(try values("\u{E9}*").contains("\u{E9}t") && !values("\u{E9}*").contains("e\u{301}t"))
        #expect(try values("a", "a").only == "a" && values("a*").only == nil && values("a", "b").only == nil)
    }

    @Test(arguments: [
        [], [""], [" "], ["a "], [" a*"], ["a*b"], ["**"], ["a\u{1}"], [String(repeating: "x", count: 513)],
    ])
    func `a pattern that no value has is refused`(_ patterns: [String]) {
        #expect(throws: MemoryError.self) { try PermittedValues(patterns: patterns, field: "namespaces") }
    }

    @Test func `a scope and a caller come back from their JSON`() throws {
        let scopes = [
            .everything, AccessScope(namespaces: try values("a", "team-*")),
            AccessScope(namespaces: PermittedValues(exactly: []), users: try values("u*")),
        ]
        for scope in scopes {
            #expect(try AccessScope(json: scope.json) == scope)
            let caller = Caller(subject: "s", scope: scope, rights: [.read, .administer])
            #expect(try Caller(json: caller.json) == caller)
        }
        for broken: JSONObject in [[:], ["namespaces": ["*"]], ["namespaces": "a", "user_ids": ["*"]]] {
            #expect(throws: MemoryError.self) { try AccessScope(json: broken) }
        }
    }

    /// For backends that know no scope: what they are asked for is what may be seen, or refused.
    @Test func `a filter is narrowed with plain operators, or refused`() throws {
        let stored = [nil, "a", "ab", "b", "team", "team-1", "team-2"] as [String?]
        let callers = [["a"], ["a", "b"], ["team-*"], ["a*"], ["a*", "b"], ["team-*", "ab", "a"]]
        let conditions: [TagCondition?] = [
            nil, try TagCondition(field: .namespace, eq: "a"), try TagCondition(field: .namespace, ne: "a"),
            try TagCondition(field: .namespace, any: ["a", "team-1"]), try TagCondition(field: .namespace, eq: "x"),
            try TagCondition(field: .namespace, startsWith: "team-1"),
            try TagCondition(field: .namespace, startsWith: "t"), try TagCondition(field: .namespace, startsWith: "b"),
            try TagCondition(field: .namespace, all: ["a", "ab"]),
            try TagCondition(field: .namespace, any: ["a", "b"], none: ["a"]),
        ]
        var refused = 0
        for patterns in callers {
            let caller = Caller(
                subject: "s",
                scope: AccessScope(namespaces: try PermittedValues(patterns: patterns, field: "namespaces")),
                rights: .all)
            for condition in conditions {
                let filter = MemoryFilter(tags: condition.map { [.namespace: $0] } ?? [:])
                let wanted = try stored.filter { value in
                    try filter.matches(record(value)) && caller.reaches(record(value))
                }
                do {
                    let narrowed = try caller.narrowed(filter)
                    let seen = try stored.filter { try narrowed?.matches(record($0)) ?? false }
                    #expect(seen == wanted, "\(patterns), \(String(describing: condition))")
                } catch let error as MemoryError where error.code == .unsupported {
                    refused += 1
                }
                #expect(try stored.filter { try caller.scoped(filter).matches(record($0)) } == wanted)
            }
        }
        #expect((1..<20).contains(refused))
    }

    private func record(_ namespace: String?) throws -> MemoryRecord {
        try MemoryRecord(id: "x", text: "t", namespace: namespace)
    }
}
