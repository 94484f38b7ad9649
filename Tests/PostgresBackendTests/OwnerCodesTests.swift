import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

/// Codes in the memory of a server.
struct OwnerCodesTests {
    private static let dimensions = 100

    private static func bits(_ count: Int, seed: UInt64) -> [[UInt8]] {
        var generator = SplitMix(seed: seed)
        return (0..<count).map { _ in
            let bits = (0..<38).map { _ in UInt8.random(in: 0...255, using: &generator) }
            // The last four bits of the last byte are none of the code.
            return bits.dropLast() + [bits[37] & 0xF0]
        }
    }

    private static func entry(_ number: Int64, _ bits: [UInt8]) throws -> OwnerCodes.Entry {
        try #require(
            OwnerCodes.Entry(number: number, id: "r\(number)", code: [0, 0, 1, 44] + bits, dimensions: dimensions))
    }

    private static func codes(_ count: Int, stamps: [Int64] = []) throws -> OwnerCodes {
        OwnerCodes(
            stamps: ChangeStamps(stamps), dimensions: dimensions,
            try bits(count, seed: 1).enumerated().map { try entry(Int64($0.offset), $0.element) })
    }

    @Test func `the most similar are those of a sort, with all that are as similar as the last`() throws {
        let stored = Self.bits(500, seed: 1)
        let codes = try Self.codes(500)
        for query in Self.bits(10, seed: 2) {
            let differing = stored.map { zip($0, query).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount } }
            for limit in [1, 20, 499, 500, 501] {
                let cut = differing.sorted()[min(limit, 500) - 1]
                let expected = differing.indices.filter { differing[$0] <= cut }
                #expect(codes.mostSimilar(limit, to: OwnerCodes.pack(query)) == expected)
            }
        }
    }

    @Test func `changed records take the place of their former codes`() throws {
        let codes = try Self.codes(10, stamps: [1])
        var expected = Self.bits(10, seed: 1)
        expected[5] = Self.bits(1, seed: 9)[0]
        let newer = codes.replacing(
            [2, 5, 77], with: [try Self.entry(5, expected[5])], stamps: ChangeStamps([1, 2]))
        #expect(newer.numbers == [0, 1, 3, 4, 5, 6, 7, 8, 9])
        #expect(newer.ids == newer.numbers.map { "r\($0)" })
        #expect(newer.stamps == ChangeStamps([2, 1]) && newer.stamps.sum == 3)
        for (position, number) in newer.numbers.enumerated() {
            #expect(newer.mostSimilar(1, to: OwnerCodes.pack(expected[Int(number)])) == [position])
        }
    }

    @Test func `a code of other dimensions is none`() {
        #expect(
            OwnerCodes.Entry(number: 1, id: "a", code: [0, 0, 3, 0] + Self.bits(1, seed: 1)[0], dimensions: 256) == nil)
    }

    private static func key(_ name: String) -> RememberedCodes.Key {
        RememberedCodes.Key(reading: PostgresStatement("SELECT $1", [.text(name)]), limit: nil)
    }

    @Test func `codes are read after two searches, by one of the next`() throws {
        let remembered = RememberedCodes(limit: 1 << 20)
        let key = Self.key("a")
        #expect(!remembered.beginsLoading(key))
        remembered.noteComparison(for: key)
        #expect(!remembered.beginsLoading(key))
        remembered.noteComparison(for: key)
        #expect(remembered.beginsLoading(key))
        #expect(!remembered.beginsLoading(key))
        remembered.hold(try Self.codes(10), for: key)
        #expect(remembered.codes(for: key)?.count == 10)
        #expect(remembered.codes(for: Self.key("b")) == nil)
        remembered.drop(key)
        #expect(remembered.codes(for: key) == nil)
        #expect(remembered.beginsLoading(key))
        remembered.rest(key)
        remembered.noteComparison(for: key)
        remembered.noteComparison(for: key)
        #expect(!remembered.beginsLoading(key))
    }

    @Test func `codes that were not used for the longest time make room`() throws {
        let size = OwnerCodes.bytes(ofDimensions: Self.dimensions)
        let remembered = RememberedCodes(limit: 40 * size)
        #expect(remembered.permits(records: 10, dimensions: Self.dimensions))
        #expect(!remembered.permits(records: 11, dimensions: Self.dimensions))
        for name in ["a", "b", "c", "d"] { remembered.hold(try Self.codes(10), for: Self.key(name)) }
        #expect(remembered.codes(for: Self.key("a")) != nil)
        remembered.hold(try Self.codes(10), for: Self.key("e"))
        #expect(remembered.codes(for: Self.key("a")) != nil)
        #expect(remembered.codes(for: Self.key("b")) == nil)
        // Another size of the same one.
        for count in [4, 10, 2, 10] { remembered.hold(try Self.codes(count), for: Self.key("a")) }
        for name in ["a", "c", "d", "e"] { #expect(remembered.codes(for: Self.key(name)) != nil) }
        #expect(!RememberedCodes(limit: 0).permits(records: 1, dimensions: Self.dimensions))
    }

    @Test func `codes that no search uses are dropped`() throws {
        let remembered = RememberedCodes(limit: 1 << 20)
        for name in ["a", "b"] { remembered.hold(try Self.codes(10), for: Self.key(name)) }
        let start = ContinuousClock.now
        #expect(remembered.codes(for: Self.key("b")) != nil)
        remembered.drop(unusedSince: start)
        #expect(remembered.codes(for: Self.key("a")) == nil)
        #expect(remembered.codes(for: Self.key("b")) != nil)
        // What is dropped is searched as if it had never been remembered.
        remembered.noteComparison(for: Self.key("a"))
        #expect(!remembered.beginsLoading(Self.key("a")))
    }
}
