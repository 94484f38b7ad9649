import AgentMemory
import Testing

@Suite struct JSONTests {
    @Test(arguments: [
        "null", "true", "-0", "1.0", "1e400", "12345678901234567890123", "0.1", "\"\"", "\"a\"", "[]", "{}",
        "[1,[2,[3]],{}]",
        "{\"b\":1,\"a\":[null,true]}", "\"é🙂\"", "\"\\u0001\\\\\\\"\\n\"",
    ])
    func `keeps what was written`(_ text: String) throws {
        #expect(try JSONValue(parsing: text).jsonText == text)
    }

    @Test(arguments: [
        (" \n{ \"a\" : [ 1 , 2 ] } ", "{\"a\":[1,2]}"), ("\"\\u00e9\\ud83d\\ude42\\/\"", "\"é🙂/\""),
        ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
    ])
    func reads(_ text: String, _ expected: String) throws {
        #expect(try JSONValue(parsing: text).jsonText == expected)
    }

    @Test(arguments: [
        ("", 0), ("{", 1), ("{\"memories\": [", 14), ("[1,]", 3), ("{\"a\" 1}", 5), ("01", 1), ("1.", 2), ("+1", 0),
        ("nul", 0), ("NaN", 0), ("\"abc", 0),
        ("[1] x", 4), ("{a:1}", 1), ("'a'", 0), ("\"\u{1}\"", 1), ("1e", 2), ("-", 1),
    ])
    func `refuses and says where`(_ text: String, _ offset: Int) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text) }
        do throws(JSONSyntaxError) {
            _ = try JSONValue(parsing: text)
        } catch {
            #expect(error.offset == offset, "\(text): \(error.message)")
        }
    }

    @Test(arguments: ["\"\\ud800\"", "\"\\ud800x\"", "\"\\ude42\"", "\"\\uZZZZ\"", "\"\\x\"", "\"\\u12\""])
    func `refuses broken escapes`(_ text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text) }
    }

    @Test func `tells encoding errors`() {
        do throws(JSONSyntaxError) {
            _ = try JSONValue(parsing: [0x22, 0xFF, 0xFE, 0x22])
            Issue.record("bytes that are no UTF-8 were accepted")
        } catch {
            #expect(error.isEncodingError)
        }
    }

    @Test func `refuses deep nesting`() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: deep) }
        let allowed = String(repeating: "[", count: 256) + String(repeating: "]", count: 256)
        #expect(throws: Never.self) { try JSONValue(parsing: allowed) }
    }

    @Test func `objects compare by members`() throws {
        #expect(try JSONValue(parsing: "{\"a\":1,\"b\":2}") == (try JSONValue(parsing: "{\"b\":2,\"a\":1}")))
        #expect(try JSONValue(parsing: "{\"é\":1,\"e\u{301}\":2}").objectValue?.members.count == 2)
        var object = JSONObject()
        for index in 0..<100 { object["k\(index)"] = .int(index) }
        object["k50"] = nil
        #expect(object["k49"] == 49)
        #expect(object["k50"] == nil)
        #expect(object["k99"] == 99)
    }

    @Test func `a name with two values is refused where asked`() throws {
        for (text, offset) in [(#"{"a":1,"a":2}"#, 7), (#"[{"a":{"b":1, "b":null}}]"#, 14)] {
            #expect(throws: Never.self) { try JSONValue(parsing: text) }
            let error = #expect(throws: JSONSyntaxError.self) {
                try JSONValue(parsing: text.utf8, repeatedNames: .refused)
            }
            #expect(error?.offset == offset)
        }
        let same = try JSONValue(parsing: #"{"a":[1],"a":[1]}"#.utf8, repeatedNames: .refused)
        #expect(same == ["a": [1]])
    }
}
