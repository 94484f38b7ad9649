import AgentMemory
import ReferenceBackend
import Testing

@testable import MemoryConformance

/// The text form of histories, and the generator that makes them.
@Suite struct HistoryScriptTests {
    @Test(arguments: HistoryGenerator.Theme.allCases)
    func `a script reads back as the history`(_ theme: HistoryGenerator.Theme) throws {
        for number in 0..<60 {
            let history = try HistoryGenerator.history(theme, seed: 5, number: number)
            let script = history.script
            #expect(script.utf8.allSatisfy { $0 == 0x0A || (0x20..<0x7F).contains($0) })
            let read = try History(script: script)
            #expect(read.script == script)
            #expect(read == history)
        }
    }

    @Test func `remarks and blank lines are not steps`() throws {
        let history = try History(
            script: """
                # a remark

                {"add":[{"id":"a","text":"[1, 0.5] quick fox","user_id":"alice"}]}
                {"update":[{"id":"a","set":{"topics":["t"],"event_date":null}}],"embedder":"down"}
                  # another one
                {"count":{"user_id":{"eq":"alice"}}}
                {"list":{"filter":{"created_at":[["gte","2024-01-01T00:00:00Z"]]},"limit":10,"offset":0}}
                {"search":{"text":"quick","mode":"keyword","filter":{"topics":{"any":["t"],"none":["u"]}},"limit":3,"in_pages":true}}
                """)
        #expect(history.steps.count == 5)
        let changes = try RecordChanges(topics: ["t"], eventDate: .set(nil))
        #expect(history.steps[1] == .update([RecordUpdate(id: "a", changes: changes)], .down))
        guard case .searchInPages(let query) = history.steps[4] else {
            Issue.record("the last step is no search in pages")
            return
        }
        #expect(query.page.limit == 3)
        #expect(query.ranking == .keyword(.bm25std))
    }

    @Test(arguments: [
        ("{", 1, "not JSON"), ("\n[]", 2, "is not an object"), ("{\"ad\":[]}", 1, "names none of"),
        ("{\"add\":[{\"id\":\"a\"}]}", 1, "has no text"),
        ("{\"add\":[{\"id\":\"a\",\"text\":\"\"}]}", 1, "text must not be empty"),
        ("{\"add\":[],\"embeder\":\"down\"}", 1, "unknown member embeder"),
        ("{\"add\":[],\"embedder\":\"up\"}", 1, "not a known value"),
        ("# fine\n{\"count\":{\"user\":{\"eq\":\"a\"}}}", 2, "unknown member user"),
        ("{\"count\":{\"user_id\":{}}}", 1, "has no operator"),
        ("{\"list\":{\"limit\":0}}", 1, "limit must be between"),
        ("{\"search\":{\"text\":\"a\"}}", 1, "has no mode"),
        ("{\"search\":{\"text\":\"a\",\"mode\":\"fuzzy\"}}", 1, "mode is one of"),
    ])
    func `an invalid history is refused with its line`(_ script: String, _ line: Int, _ message: String) {
        let error = #expect(throws: HistoryScriptError.self) { try History(script: script) }
        #expect(error?.line == line)
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "no error")")
    }

    @Test func `the same seed gives the same history`() throws {
        let one = try HistoryGenerator.history(.filters, seed: 1, number: 3)
        #expect(try HistoryGenerator.history(.filters, seed: 1, number: 3).script == one.script)
        #expect(try HistoryGenerator.history(.filters, seed: 2, number: 3).script != one.script)
        #expect(try HistoryGenerator.history(.filters, seed: 1, number: 4).script != one.script)
        #expect(try HistoryGenerator.history(.updates, seed: 1, number: 3).script != one.script)
        // The numbers that Vigna's program prints for this seed.
        var random = SplitMix64(seed: 1_234_567)
        #expect(
            (0..<3).map { _ in random.next() } == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            ])
    }

    /// A history that asks about nothing proves nothing: over many, every call, every field and
    /// every operator must come up, and filters must mostly match some of the records and not
    /// others.
    @Test func `histories reach every call field and operator`() throws {
        var words: Set<String> = []
        var filters = (proper: 0, all: 0)
        for theme in HistoryGenerator.Theme.allCases {
            for number in 0..<100 {
                let history = try HistoryGenerator.history(theme, seed: 3, number: number)
                #expect((8...20).contains(history.steps.count))
                for line in history.lines { Self.collect(line, into: &words) }
                var records: [ExactString: MemoryRecord] = [:]
                for step in history.steps {
                    switch step {
                    case .add(let added, nil): for record in added { records[ExactString(record.id)] = record }
                    case .delete(let ids): for id in ids { records[ExactString(id)] = nil }
                    case .count(let filter):
                        guard !filter.isEmpty, records.count > 1 else { continue }
                        let matches = records.values.count(where: filter.matches)
                        filters.all += 1
                        if matches > 0, matches < records.count { filters.proper += 1 }
                    default: break
                    }
                }
            }
        }
        let expected =
            ["add", "update", "delete", "count", "list", "search", "in_pages", "embedder", "access", "metadata"]
            + TagField.allCases.map(\.rawValue) + DateField.allCases.map(\.rawValue)
            + ["eq", "any", "all", "none", "startswith"] + DateCondition.Comparison.allCases.map(\.rawValue)
            + [
                "semantic", "recency", "keyword", "hybrid", "distance_threshold", "down", "wrongLength", "zero",
                "notFinite",
            ]
        for word in expected { #expect(words.contains(word), "\(word) never comes up") }
        #expect(filters.proper * 10 > filters.all * 8, "\(filters)")
    }

    private static func collect(_ value: JSONValue, into words: inout Set<String>) {
        switch value {
        case .object(let object):
            for member in object.members {
                words.insert(member.name)
                collect(member.value, into: &words)
            }
        case .array(let elements): for element in elements { collect(element, into: &words) }
        case .string(let string): words.insert(string)
        case .null, .bool, .number: break
        }
    }
}
