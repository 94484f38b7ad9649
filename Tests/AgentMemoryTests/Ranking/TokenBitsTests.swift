@testable import AgentMemory
import Testing

struct TokenBitsTests {
    private let bits = TokenBits(modelTag: 0xA1B2_C3D4, width: 128, words: [1, .max, 0x8000_0000_0000_0000, 0x0102])

    @Test func `stored bytes are read back`() {
        let bytes = bits.storedBytes
        #expect(bytes.count == 6 + 4 * 8)
        #expect(bytes.prefix(6) == [1, 2, 0xD4, 0xC3, 0xB2, 0xA1])
        #expect(bytes.dropFirst(6).first == 1)
        #expect(TokenBits(storedBytes: bytes, modelTag: 0xA1B2_C3D4) == bits)
    }

    @Test func `what is not of this model or format is not read`() {
        let bytes = bits.storedBytes
        let tag = bits.modelTag
        #expect(TokenBits(storedBytes: bytes, modelTag: tag + 1) == nil)
        #expect(TokenBits(storedBytes: Array(bytes.dropLast()), modelTag: tag) == nil)
        #expect(TokenBits(storedBytes: Array(bytes.dropLast(8)), modelTag: tag) == nil)
        #expect(TokenBits(storedBytes: [2] + bytes.dropFirst(), modelTag: tag) == nil)
        #expect(TokenBits(storedBytes: [1, 0] + bytes.dropFirst(2), modelTag: tag) == nil)
        for count in 0..<6 { #expect(TokenBits(storedBytes: Array(bytes.prefix(count)), modelTag: tag) == nil) }
        #expect(TokenBits(storedBytes: Array(bytes.prefix(6)), modelTag: tag)?.count == 0)
    }

    @Test func `tags are the published hash of the name`() {
        // http://www.isthe.com/chongo/tech/comp/fnv/: FNV-1a of 32 bits of "" and "foobar".
        #expect(TokenBits.tag(ofModel: "") == 0x811C_9DC5)
        #expect(TokenBits.tag(ofModel: "foobar") == 0xBF9C_F968)
    }

    @Test func `words are counted between blanks`() {
        let counter = TermCounter(["dog", "do", "é", "absent"])
        for text in [" dog  do  dog  é  dogs ", "dog do dog é dogs"] {
            let (frequencies, length) = counter.count(text.utf8)
            #expect(frequencies == [2, 1, 1, 0])
            #expect(length == 5)
        }
        #expect(counter.count("".utf8).length == 0)
    }
}
