import AgentMemory
import MemoryAPI
import Testing

@Suite struct BodyReaderTests {
    private func issues(_ body: BodyReader) -> [ValidationIssue] {
        do {
            try body.finish()
            return []
        } catch {
            return error.issues
        }
    }

    private func reader(_ text: String) throws -> BodyReader {
        BodyReader(try JSONValue(parsing: text))
    }

    @Test func `spellings of pydantic are read`() throws {
        let body = try reader(#"{"a": "5", "b": "Yes", "c": 0, "d": "1.5", "e": 1e2, "f": null, "g": 1767323045}"#)
        #expect(body.int("a", in: 0...10) == 5)
        #expect(body.bool("b") == true)
        #expect(body.bool("c") == false)
        #expect(body.double("d", in: 0...2) == 1.5)
        #expect(body.int("e", in: 0...100) == 100)
        #expect(body.string("f") == nil)
        #expect(body.date("g") == Timestamp(microseconds: 1_767_323_045_000_000))
        #expect(!body.hasIssues)
        try body.finish()
    }

    @Test func `all issues are reported together, with their places`() throws {
        let body = try reader(#"{"text": 1, "limit": 0, "inner": {"list": ["a", 2]}, "dates": ["x"], "mode": "z"}"#)
        #expect(body.string("text") == nil)
        #expect(body.int("limit", in: 1...100) == nil)
        let inner = try #require(body.object("inner"))
        #expect(!inner.hasIssues)
        #expect(inner.strings("list") == nil)
        #expect(inner.hasIssues)
        body.forEachObject(in: "dates", as: "Kind") { #expect($0.hasIssues) }
        #expect(body.choice("mode", MemoryType.self) == nil)
        #expect(body.requiredString("id") == nil)
        let issues = issues(body)
        #expect(
            issues.map(\.type) == [
                "string_type", "greater_than_equal", "string_type", "model_attributes_type", "enum", "missing",
            ])
        #expect(issues[1].context == ["ge": 1])
        #expect(issues[2].location == [.key("body"), .key("inner"), .key("list"), .index(1)])
        #expect(issues[3].location == [.key("body"), .key("dates"), .index(0), .key("Kind")])
    }

    @Test func `what is not an object is one issue`() throws {
        let body = try reader("[1]")
        _ = body.requiredString("text")
        body.requireArray("memories")
        #expect(issues(body).map(\.type) == ["model_attributes_type"])
    }

    @Test func `a list that must be given is missing or of the wrong type`() throws {
        let absent = try reader("{}")
        absent.requireArray("memories")
        #expect(issues(absent).map(\.type) == ["missing"])
        let null = try reader(#"{"memories": null}"#)
        null.requireArray("memories")
        #expect(issues(null).map(\.type) == ["list_type"])
    }

    @Test func `a broken rule of the domain is an issue, other errors pass`() throws {
        let body = try reader(#"{"limit": 5}"#)
        let made = try body.make(echoing: true) { () throws(MemoryError) -> Int in
            throw .invalid("limit", "limit is odd")
        }
        #expect(made == nil)
        #expect(throws: MemoryError.self) {
            try body.make { () throws(MemoryError) -> Int in throw MemoryError(.timedOut, "late") }
        }
        let issue = try #require(issues(body).first)
        #expect(issue.message == "Value error, limit is odd")
        #expect(issue.location == [.key("body"), .key("limit")])
        #expect(issue.input == ["limit": 5])
    }

    @Test func `a body of nothing but faults makes a bounded answer`() throws {
        let list = JSONValue.array(Array(repeating: 1, count: 500))
        let body = BodyReader(["memories": list])
        body.forEachObject(in: "memories") { _ in }
        #expect(issues(body).count == 100)
    }

    @Test func `a blank scope and unknown names are refused`() throws {
        let body = try reader(#"{"namespace": " ", "namespaces": "n"}"#)
        #expect(body.scope("namespace") == nil)
        body.refuseUnknown(["namespace"], "Unknown field")
        #expect(issues(body).map(\.type) == ["value_error", "extra_forbidden"])
    }

    @Test func `whole numbers beyond 64 bits are held at the largest integer`() throws {
        let body = try reader(#"{"offset": 99999999999999999999, "limit": "-99999999999999999999"}"#)
        #expect(body.int("offset", in: 0...Int.max) == .max)
        #expect(body.int("limit", in: Int.min...0) == .min)
    }
}
