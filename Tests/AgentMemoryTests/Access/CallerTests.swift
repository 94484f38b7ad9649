import AgentMemory
import Testing

@Suite struct CallerTests {
    private let one = Caller(subject: "one", namespaces: ["a"], users: ["u"], rights: [.read, .write])
    private let several = Caller(subject: "several", namespaces: ["a", "ab", "c"], rights: .all)

    private func record(_ namespace: String?, _ user: String? = nil) throws -> MemoryRecord {
        try MemoryRecord(id: "x", text: "t", userID: user, namespace: namespace)
    }

    private func code(_ body: () throws -> Void) -> MemoryError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? MemoryError)?.code
        }
    }

    /// Which of these namespaces the filter lets through, after narrowing.
    private func seen(_ caller: Caller, _ condition: TagCondition?) throws -> [String?] {
        let filter = MemoryFilter(tags: condition.map { [.namespace: $0] } ?? [:])
        guard let narrowed = try caller.narrowed(filter) else { return [] }
        return try [nil, "a", "ab", "b", "c"].filter { narrowed.matches(try record($0, "u")) }
    }

    @Test func `a caller without limits changes nothing`() throws {
        let filter = MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: "b")])
        #expect(try Caller.unrestricted.narrowed(filter) == filter)
        #expect(try Caller.unrestricted.narrowed(.everything) == .everything)
        let record = try record(nil)
        #expect(try Caller.unrestricted.completed(record) == record)
        #expect(Caller.unrestricted.reaches(namespace: nil, userID: nil))
        try Caller.unrestricted.require(.all)
    }

    @Test func `each operator is narrowed and never widened`() throws {
        #expect(try seen(several, nil) == ["a", "ab", "c"])
        #expect(try seen(several, TagCondition(field: .namespace, eq: "a")) == ["a"])
        #expect(try seen(several, TagCondition(field: .namespace, eq: "b")) == [])
        #expect(try seen(several, TagCondition(field: .namespace, ne: "a")) == ["ab", "c"])
        #expect(try seen(several, TagCondition(field: .namespace, any: ["b", "c"])) == ["c"])
        #expect(try seen(several, TagCondition(field: .namespace, any: ["b"])) == [])
        #expect(try seen(several, TagCondition(field: .namespace, all: ["a", "c"])) == [])
        #expect(try seen(several, TagCondition(field: .namespace, none: ["a", "c"])) == ["ab"])
        #expect(try seen(several, TagCondition(field: .namespace, none: ["a", "ab", "c"])) == [])
        #expect(try seen(several, TagCondition(field: .namespace, startsWith: "a")) == ["a", "ab"])
        #expect(try seen(several, TagCondition(field: .namespace, startsWith: "b")) == [])
    }

    @Test func `namespace and user both count, and so do the other conditions`() throws {
        let id = try TagCondition(field: .id, eq: "x")
        let filter = try #require(try one.narrowed(MemoryFilter(tags: [.id: id])))
        #expect(filter.tags[.id] == id)
        #expect(filter.matches(try record("a", "u")))
        #expect(!filter.matches(try record("a", "v")))
        #expect(!filter.matches(try record("a")))
        #expect(!filter.matches(try record(nil, "u")))
        #expect(try one.narrowed(MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "v")])) == nil)
    }

    @Test func `values are compared by bytes`() throws {
        let caller = Caller(subject: "accents", namespaces: ["\u{E9}"], rights: .all)
        #expect(caller.reaches(namespace: "\u{E9}", userID: nil))
        #expect(!caller.reaches(namespace: "e\u{301}", userID: nil))
    }

    @Test func `a caller of nothing sees nothing`() throws {
        let nobody = Caller(subject: "nobody", namespaces: [], rights: .all)
        #expect(try nobody.narrowed(.everything) == nil)
        #expect(code { _ = try nobody.completed(try record("a")) } == .forbidden)
    }

    @Test func `a record without an owner gets the only one, or is refused`() throws {
        let completed = try one.completed(try record(nil))
        #expect(completed.namespace == "a")
        #expect(completed.userID == "u")
        #expect(completed.memoryHash == completed.computedHash())
        let own = try record("a", "u")
        #expect(try one.completed(own) == own)
        #expect(code { _ = try several.completed(try record(nil)) } == .forbidden)
        #expect(code { _ = try one.completed(try record("b", "u")) } == .forbidden)
        #expect(code { _ = try one.completed(try record("a", "v")) } == .forbidden)
    }

    @Test func `an update may not move a record out of reach`() throws {
        try one.check(RecordChanges(text: "new"))
        try one.check(RecordChanges(userID: .set("u"), namespace: .set("a")))
        #expect(code { try one.check(RecordChanges(namespace: .set("b"))) } == .forbidden)
        #expect(code { try one.check(RecordChanges(userID: .set(nil))) } == .forbidden)
        try Caller.unrestricted.check(RecordChanges(namespace: .set("b")))
    }

    @Test func `sessions are narrowed as records are`() throws {
        #expect(
            try one.completed(SessionKey(sessionID: "s")) == SessionKey(sessionID: "s", namespace: "a", userID: "u"))
        #expect(code { _ = try one.completed(try SessionKey(sessionID: "s", namespace: "b")) } == .forbidden)
        #expect(!one.reaches(try SessionKey(sessionID: "s", namespace: "a")))
        #expect(try one.narrowed(SessionReference(sessionID: "s")).namespace == "a")
        #expect(try several.narrowed(SessionReference(sessionID: "s")).namespace == nil)
    }

    @Test func `a right that is missing is refused`() throws {
        let reader = Caller(subject: "reader", rights: .read)
        try reader.require(.read)
        #expect(code { try reader.require(.write) } == .forbidden)
        #expect(code { try one.require(.administer) } == .forbidden)
    }

    @Test func `metrics are for who reaches everything and has a right for it`() throws {
        try Caller.unrestricted.requireMetrics()
        try Caller(subject: "scraper", rights: .metrics).requireMetrics()
        try Caller(subject: "admin", rights: .administer).requireMetrics()
        #expect(code { try Caller(subject: "writer", rights: [.read, .write]).requireMetrics() } == .forbidden)
        for (namespaces, users) in [(["a"], nil), (nil, ["u"])] as [([String]?, [String]?)] {
            let tenant = Caller(subject: "t", namespaces: namespaces, users: users, rights: [.all, .metrics])
            #expect(code { try tenant.requireMetrics() } == .forbidden)
        }
        // An older server that takes up a job knows no such right.
        #expect(Caller.Rights.all.names == ["read", "write", "admin"])
        #expect(try Caller.Rights(names: ["metrics"]) == .metrics)
        #expect(try Caller.Rights(names: Caller.Rights.metrics.names) == .metrics)
    }
}
