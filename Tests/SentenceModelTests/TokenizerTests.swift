import AgentMemory
import TestSupport
import Testing

@testable import SentenceModel

@Suite("WordPiece tokenizer", .tags(.alone))
struct TokenizerTests {
    private static func miniLM() throws -> WordPieceTokenizer {
        try WordPieceTokenizer(ModelFolder(ModelFixtures.miniLM()), limit: 30_522)
    }

    @Test func `equals the published tokenizer on mixed lines`() throws {
        let tokenizer = try Self.miniLM()
        let rows = try ModelFixtures.rows("lines.jsonl")
        #expect(rows.count >= 5000)
        for row in rows {
            let text = try #require(row.arrayValue?.first?.stringValue)
            let expected = try ModelFixtures.ids(row.arrayValue?.last)
            let ids = tokenizer.ids(of: text, maximum: 256)
            if ids != expected { Issue.record("\(text.debugDescription): \(ids), not \(expected)") }
        }
    }

    /// The character between two letters, for each character of the first two planes, which have
    /// the scripts and the signs.
    @Test func `equals the published tokenizer on every character`() throws {
        let tokenizer = try Self.miniLM()
        let file = try JSONFile(MappedFile(ModelFixtures.path("characters.json")))
        let expected = try #require(file.value.arrayValue)
        #expect(expected.count == 0x20000 / 64)
        for (block, hash) in expected.enumerated() {
            let text = (UInt32(block * 64)..<UInt32(block * 64 + 64)).compactMap(Unicode.Scalar.init)
                .map { "a\($0)b" }.joined(separator: " ")
            var computed = WordPieceVocabulary.Hash()
            for id in tokenizer.ids(of: text, maximum: 10_000) {
                computed.add(UInt8(truncatingIfNeeded: id))
                computed.add(UInt8(truncatingIfNeeded: id >> 8))
            }
            let digits = String(computed.value, radix: 16)
            let padded = String(repeating: "0", count: 16 - digits.count) + digits
            if padded != hash.stringValue { Issue.record("U+\(String(block * 64, radix: 16)) to 63 after it") }
        }
    }

    @Test(arguments: ["tiny-cls-f16", "tiny-mean-bf16"])
    func `reads both forms of vocabularies`(_ model: String) throws {
        let tokenizer = try WordPieceTokenizer(ModelFolder(ModelFixtures.path(model)), limit: 76)
        let rows = try ModelFixtures.rows("\(model)/vectors.jsonl")
        #expect(!rows.isEmpty)
        for row in rows {
            let text = try #require(row["text"]?.stringValue)
            #expect(
                tokenizer.ids(of: text, maximum: 48).map(Int.init) == row["ids"]?.arrayValue?.compactMap(\.intValue))
        }
    }

    @Test func `reads no further than it must`() throws {
        let tokenizer = try Self.miniLM()
        let long = String(repeating: "tea ", count: 1_000_000)
        let ids = tokenizer.ids(of: long, maximum: 256)
        #expect(ids.count == 256)
        #expect(ids.first == tokenizer.first && ids.last == tokenizer.last)
        #expect(tokenizer.ids(of: long, maximum: 3) == [tokenizer.first, ids[1], tokenizer.last])
    }
}
