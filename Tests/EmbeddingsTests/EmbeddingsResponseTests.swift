import Testing

@testable import Embeddings
@testable import ModelServices

@Suite("Answers of an embedding service")
struct EmbeddingsResponseTests {
    private func vectors(_ text: String) throws -> [[Float]] {
        try EmbeddingsResponse.vectors(in: Array(text.utf8))
    }

    @Test(arguments: [
        "0", "-0.0", "1", "1.5", "-0.0069292834", "0.1", "3.4028235e38", "1e-45", "2E+3",
        "123456789012345678901234567890",
        "0.00000000000000000000000000001", "-0.012345678901234567", "1.17549435e-38", "0.333333343267440796",
    ])
    func `reads numbers`(literal: String) throws {
        #expect(try vectors(#"{"data":[{"embedding":[\#(literal)]}]}"#) == [[Float(literal)!]])
    }

    @Test func `skips what it does not need`() throws {
        let text = #"""
            { "object" : "list", "usage":{"x":[1,{"y":null}],"z":"a\"}]"}, "data" : [
              {"index":1,"extra":[[]],"embedding":[2, 3]} , {"embedding" : [ -1 ,0.5],"index":0,"b":true}
            ], "model":"m" }
            """#
        #expect(try vectors(text) == [[-1, 0.5], [2, 3]])
    }

    @Test func `unpacks base64`() throws {
        #expect(try vectors(#"{"data":[{"embedding":"AACAPwAAAMA="}]}"#) == [[1, -2]])
        #expect(try vectors(#"{"data":[{"embedding":"AACAPwAAAMA"}]}"#) == [[1, -2]])
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{}", #"{"data":null}"#, #"{"data":[{}]}"#, #"{"data":[{"embedding":[1,]}]}"#,
        #"{"data":[{"embedding":[1]}]} x"#, #"{"data":[{"embedding":["1"]}]}"#, #"{"data":[{"embedding":"AAA"}]}"#,
        #"{"data":[{"embedding":"A*AA"}]}"#, #"{"data":[{"embedding":[1]"#, #"{"data":[{"embedding":[NaN]}]}"#,
        #"{"data":[{"index":1,"embedding":[1]}]}"#, #"{"data":[{"embedding":[-]}]}"#, #"{"data"#, #"{"da\"#,
        #"{"data":[{"index":0.5,"embedding":[1]},{"index":0,"embedding":[1]}]}"#,
    ])
    func refuses(text: String) {
        #expect(throws: EmbeddingsResponse.Malformed.self) { try vectors(text) }
    }

    @Test func `refuses deep nesting`() {
        let text = #"{"x":"# + String(repeating: "[", count: 100_000)
        #expect(throws: EmbeddingsResponse.Malformed.self) { try vectors(text) }
    }

    @Test func `cuts batches`() {
        func sizes(_ texts: [String], _ count: Int, _ bytes: Int) -> [Int] {
            EmbeddingBatches.ranges(of: texts, maximumTexts: count, maximumBytes: bytes).map(\.count)
        }
        #expect(sizes([], 2, 10) == [])
        #expect(sizes(["a", "b", "c", "d", "e"], 2, 10) == [2, 2, 1])
        #expect(sizes(["aaaa", "bbbb", "cccc"], 9, 8) == [2, 1])
        #expect(sizes(["a", "bbbbbbbbbbbb", "c"], 9, 8) == [1, 1, 1])
    }

    @Test func `summarises errors`() {
        func message(_ body: String, secret: String? = nil) -> String? {
            ServiceFailure.summary(Array(body.utf8), texts: [], secret: secret).message
        }
        #expect(message(#"{"error":{"message":"no\nsuch  model"}}"#) == "no such model")
        #expect(message(#"{"error":"model \"x\" not found"}"#) == #"model "x" not found"#)
        #expect(message(#"{"detail":"Not Found"}"#) == "Not Found")
        #expect(message(#"{"error":{"message":"key sk-abc***xyz is wrong"}}"#) == "key *** is wrong")
        #expect(message(#"{"error":{"message":"key QQ1 is wrong"}}"#, secret: "QQ1") == "key *** is wrong")
        #expect(message("<html>") == nil)
        #expect(message(#"{"error":"\#(String(repeating: "x ", count: 500))"}"#)?.count == 200)
    }
}
