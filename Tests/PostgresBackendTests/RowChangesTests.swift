import TestSupport
import Testing

@testable import PostgresBackend

@Suite struct RowChangesTests {
    private struct Row: Equatable {
        let id: String
        var text = ""
    }

    private func rows(_ ids: String...) -> [Row] { ids.map { Row(id: $0) } }

    private func stored(_ ids: String..., from first: Int64 = 0) -> [(position: Int64, row: Row)] {
        ids.enumerated().map { (first + Int64($0.offset), Row(id: $0.element)) }
    }

    /// Applies the changes and looks at what comes out; answers what was written and deleted.
    private func apply(_ stored: [(position: Int64, row: Row)], _ rows: [Row]) -> (written: [Int64], deleted: [Int64]) {
        let changes = RowChanges(from: stored, to: rows, id: \.id)
        var table = Dictionary(uniqueKeysWithValues: stored.map { ($0.position, $0.row) })
        for position in changes.deleted { #expect(table.removeValue(forKey: position) != nil) }
        for (position, row) in changes.written { table[position] = row }
        #expect(table.sorted { $0.key < $1.key }.map(\.value) == rows)
        #expect(table.keys.allSatisfy { $0 < changes.nextPosition })
        return (changes.written.map(\.position), changes.deleted)
    }

    @Test func `what stays is not touched`() {
        let same = apply(stored("a", "b", "c"), rows("a", "b", "c"))
        #expect(same.written.isEmpty && same.deleted.isEmpty)
        let added = apply(stored("a", "b"), rows("a", "b", "c", "d"))
        #expect(added.written == [2, 3] && added.deleted.isEmpty)
        let trimmed = apply(stored("a", "b", "c"), rows("c", "d"))
        #expect(trimmed.written == [3] && trimmed.deleted == [0, 1])
        let edited = apply(stored("a", "b", "c"), [Row(id: "a"), Row(id: "b", text: "new"), Row(id: "c")])
        #expect(edited.written == [1] && edited.deleted.isEmpty)
        let removed = apply(stored("a", "b", "c"), rows("a", "c"))
        #expect(removed.written.isEmpty && removed.deleted == [1])
    }

    @Test func `rows in front move nothing`() {
        let first = apply(stored("a", "b"), rows("y", "z", "a", "b"))
        #expect(first.written == [-2, -1] && first.deleted.isEmpty)
        let summary = apply(stored("a", "b", "c"), rows("summary", "c"))
        #expect(summary.written == [1] && summary.deleted == [0])
    }

    @Test func `rows between move no more than they must`() {
        #expect(apply(stored("a", "b", "c", "d"), rows("a", "x", "b", "c", "d")).written == [1, 2, 3, 4])
        // Deleted rows leave room.
        #expect(apply(stored("a", "b", "c", "d"), rows("a", "x", "c", "d")).written == [1])
    }

    @Test func `any change comes out right`() {
        var random = SplitMix(seed: 4)
        for _ in 0..<500 {
            func some() -> [Row] {
                (0..<Int.random(in: 0...9, using: &random)).map { _ in
                    Row(
                        id: String(Int.random(in: 0...6, using: &random)),
                        text: String(Int.random(in: 0...1, using: &random)))
                }
            }
            var position: Int64 = -5
            let stored = some().map { row in
                position += Int64.random(in: 1...3, using: &random)
                return (position: position, row: row)
            }
            _ = apply(stored, some())
        }
        _ = apply([], [])
        _ = apply(stored("a", "a", "a"), rows("a", "a"))
    }
}
