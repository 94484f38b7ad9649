import AgentMemory
import RedisDriver
import Testing

@testable import RedisBackend

/// What is sent, by its text and its parameters; no server needed.
@Suite struct QueryTextTests {
    private func query(_ field: TagField, _ condition: TagCondition) -> QueryText {
        QueryText(MemoryFilter(tags: [field: condition]))
    }

    private func strings(_ query: QueryText) -> [String] {
        query.parameters.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func `an empty filter is a star`() {
        #expect(QueryText(.everything).text == "*")
    }

    @Test func `every operator is a clause`() throws {
        let equal = query(.userID, try TagCondition(field: .userID, eq: "a"))
        #expect(equal.text == "@user_id:{$p0}")
        let all = query(.topics, try TagCondition(field: .topics, all: ["a", "b"]))
        #expect(all.text == "@topics:{$p0} @topics:{$p1}")
        let any = query(.topics, try TagCondition(field: .topics, ne: "c", any: ["a", "b"]))
        #expect(any.text == "@topics:{$p0|$p1} -@topics:{$p2}")
        #expect(strings(any) == ["a", "b", "c"])
        let start = query(.namespace, try TagCondition(field: .namespace, startsWith: "a"))
        #expect(start.text == "@namespace:{$p0*}")
    }

    @Test func `values never reach the text`() throws {
        for value in ["*", "a|b", "{x}", "$p1", "@user_id:{z}", "=>[KNN 1 @v $v]", "-x", "\"", "'"] {
            let query = query(.userID, try TagCondition(field: .userID, eq: value))
            #expect(query.text == "@user_id:{$p0}")
            #expect(strings(query) == [value])
        }
        #expect(strings(query(.userID, try TagCondition(field: .userID, eq: "a\\,b\\"))) == ["a\\\\,b\\\\"])
    }

    @Test func `IDs are compared with their blanks`() throws {
        let plain = query(.id, try TagCondition(field: .id, eq: "a"))
        #expect(plain.text == "((@id_:{$p0} ismissing(@id_exact)))")
        let blank = query(.id, try TagCondition(field: .id, any: ["a ", "b", " c"]))
        #expect(blank.text == "((@id_:{$p0} ismissing(@id_exact))|@id_exact:{$p1|$p2})")
        #expect(strings(blank) == ["b", "<a >", "< c>"])
        #expect(query(.id, try TagCondition(field: .id, ne: "a")).text == "-((@id_:{$p0} ismissing(@id_exact)))")
        let start = query(.id, try TagCondition(field: .id, startsWith: " a"))
        #expect(start.text == "((@id_:{$p0*} ismissing(@id_exact))|@id_exact:{$p1*})")
        #expect(strings(start) == [" a", "< a"])
    }

    @Test func `metadata is compared by its terms`() throws {
        let source = try #require(MetadataScalar("crm"))
        let term = MetadataTerms.term(of: "a", source)
        let key = MetadataTerms.term(of: "a")
        let both = QueryText(
            MemoryFilter(metadata: [try MetadataCondition(key: "a", eq: source, none: [source], exists: true)]))
        #expect(both.text == "@metadata_terms:{$p0} @metadata_terms:{$p1} -@metadata_terms:{$p2}")
        #expect(strings(both) == [key, term, term])
        let absent = QueryText(MemoryFilter(metadata: [try MetadataCondition(key: "a", exists: false)]))
        #expect(absent.text == "-@metadata_terms:{$p0}")
        let above = QueryText(MemoryFilter(metadata: [try MetadataCondition(key: "a", bounds: [.init(.gt, 2024)])]))
        #expect(above.clauses.count == 2 && above.clauses[1].hasPrefix("-@metadata_terms:{"))
        #expect(above.parameters.count < 60)
    }

    @Test func `dates are ranges`() throws {
        let date = try #require(Timestamp(microseconds: 1_732_341_234_123_457))
        let bounds = DateCondition.Comparison.allCases.filter { $0 != .eq }.map { DateCondition.Bound($0, date) }
        let filter = MemoryFilter(dates: [.eventDate: try DateCondition(field: .eventDate, bounds)])
        let query = QueryText(filter)
        #expect(
            query.text == "@event_date:[($p0 +inf] @event_date:[$p1 +inf] @event_date:[-inf ($p2] "
                + "@event_date:[-inf $p3] -@event_date:[$p4 $p4]")
        #expect(Set(strings(query)) == ["1732341234.123457"])
    }

    @Test func `phrases are cut where a word comes again`() {
        #expect(QueryText.runsOfDistinctWords(["a", "b"]) == [["a", "b"]])
        #expect(QueryText.runsOfDistinctWords(["a", "b", "a", "c"]) == [["a", "b"], ["b", "a", "c"]])
        #expect(QueryText.runsOfDistinctWords(["a", "a"]) == [["a"], ["a"]])
    }

    @Test func `words arrive one a parameter`() {
        let words = TextAnalyzer().query("red \"green blue\"")
        var query = QueryText()
        query.addPhrases(of: words)
        #expect(query.text == "(@keyword_terms:(green blue)=>{$slop:0;$inorder:true})")
        let any = "(@keyword_terms:($p0)|@keyword_terms:($p1)|@keyword_terms:($p2))"
        let each = "(~@keyword_terms:($p0)) (~@keyword_terms:($p1)) (~@keyword_terms:($p2))"
        let scored = QueryText(words: words, in: query, amongKeys: false)
        #expect(scored.text == "\(any)=>{$weight:0} \(each) (\(query.text)|\(query.text))=>{$weight:0}")
        #expect(strings(scored) == ["red", "green", "blue"])
        #expect(
            QueryText(words: words, in: QueryText(), amongKeys: false).text
                == "(@keyword_terms:($p0)|@keyword_terms:($p1)|@keyword_terms:($p2))")
        #expect(QueryText(words: words, in: QueryText(), amongKeys: true).text.contains("(~@keyword_terms:($p2))"))
    }

    @Test func `clauses of a filter add nothing to a score`() throws {
        let filter = QueryText(
            MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "u", none: ["w"])]))
        #expect(filter.weightless == ["(@user_id:{$p0}|@user_id:{$p0})=>{$weight:0}", "-@user_id:{$p1}"])
    }

    @Test func `the graph is forced where nearly everything matches`() {
        #expect(MatchCounts.favorsGraph(matches: 100_000, of: 100_000, candidates: 100))
        #expect(MatchCounts.favorsGraph(matches: 100_000, of: 104_000, candidates: 100))
        // If all others are nearer, the graph passes them first.
        #expect(!MatchCounts.favorsGraph(matches: 100_000, of: 106_000, candidates: 100))
        #expect(!MatchCounts.favorsGraph(matches: 20_000, of: 20_000, candidates: 400))
        #expect(!MatchCounts.favorsGraph(matches: 4000, of: 4000, candidates: 1))
        // The number of all records is older than that of the matches.
        #expect(MatchCounts.favorsGraph(matches: 100_000, of: 90_000, candidates: 100))
    }

    @Test func `neighbours are asked for by scan or graph`() throws {
        let commands = SearchCommands(index: "i", timeout: 900, algorithm: .hnsw)
        var filter = QueryText()
        filter.add("@user_id:{\(filter.tag("u"))}")
        let graph = try commands.nearestQuery(
            filter, to: [1], candidates: 100, scan: .approximate(breadth: 200), .init(limit: 10))
        #expect(
            graph.arguments == [
                "FT.AGGREGATE", "i", "(@user_id:{$p0})=>[KNN 100 @vector $p1 EF_RUNTIME 200 AS distance]", "SORTBY",
                "4",
                "@distance", "ASC", "@id_", "ASC", "MAX", "10", "LIMIT", "0", "10", "TIMEOUT", "900", "PARAMS", "4",
                "p0", "u",
                "p1", "\u{1}", "DIALECT", "2",
            ])
        let forced = try commands.nearestQuery(
            filter, to: [1], candidates: 100, scan: .graph(breadth: 100), .init(limit: 10))
        #expect(
            forced.arguments[2]
                == "(@user_id:{$p0})=>[KNN 100 @vector $p1 HYBRID_POLICY BATCHES EF_RUNTIME 100 AS distance]")
        let scan = try commands.nearestQuery(
            QueryText(), to: [1], candidates: 5, scan: .exact, .init(offset: 3, limit: 2), keys: ["k"])
        #expect(scan.arguments[2] == "(-@id_:{$p1})=>[KNN 5 @vector $p0 HYBRID_POLICY ADHOC_BF AS distance]")
        #expect(scan.arguments[3...5] == ["INKEYS", "1", "k"])
        let flat = SearchCommands(index: "i", timeout: 0, algorithm: .flat)
        #expect(
            try flat.nearestQuery(QueryText(), to: [1], candidates: 5, scan: .exact, .init(limit: 5)).arguments[2]
                == "*=>[KNN 5 @vector $p0 AS distance]")
    }

    @Test func `settings are read from either version`() {
        let ok = RedisValue.status("OK")
        let no = RedisValue.error(RedisError(server: "ERR unknown command"))
        #expect(EngineSettings(replies: [ok, no, no, no, ok, no, no, no, no, ok, no, no]).completesPrefixes)
        #expect(EngineSettings(replies: Array(repeating: no, count: 12)) == EngineSettings())
        func pair(_ value: String) -> RedisValue { .array([.bytes(Array("NAME".utf8)), .bytes(Array(value.utf8))]) }
        let readOnly = [no, no, .array([pair("fail")]), no, no, no, no, pair("1"), no, no, no, pair("200")]
        #expect(EngineSettings(replies: readOnly) == EngineSettings(failsOnTimeout: true))
    }
}
