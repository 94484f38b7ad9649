import AgentMemory
import Testing

@Suite struct RecordBatchTests {
    private func record(_ id: String, _ text: String) throws -> MemoryRecord { try MemoryRecord(id: id, text: text) }

    @Test func `the last of an ID counts at the place of the first`() throws {
        let batch = RecordBatch([try record("b", "1"), try record("a", "2"), try record("b", "3")])
        #expect(batch.givenIDs == ["b", "a", "b"])
        #expect(batch.records.map(\.id) == ["b", "a"] && batch.records.map(\.text) == ["3", "2"])
        #expect(batch.memoryHashes == batch.records.map(\.memoryHash))
        #expect(batch.records.inOrder(ofID: \.id).map(\.id) == ["a", "b"])
    }

    @Test func `IDs are compared by their bytes`() throws {
        let batch = RecordBatch([try record("\u{E9}", "1"), try record("e\u{301}", "2")])
        #expect(batch.records.count == 2)
        #expect(batch.records.inOrder(ofID: \.id).map(\.text) == ["2", "1"])
    }

    @Test func `duplicates are left out`() throws {
        let batch = RecordBatch([
            try record("a", "same"), try record("b", "same"), try record("c", "other"), try record("d", "own"),
        ])
        let hash = try record("x", "other").memoryHash
        let own = try record("x", "own").memoryHash
        let kept = batch.withoutDuplicates(
            storedIDs: [ExactString("d")], holders: [(id: "x", memoryHash: hash), (id: "d", memoryHash: own)])
        #expect(kept.map(\.id) == ["a", "d"])
    }

    @Test func `a stored ID is a replacement and keeps its text from others`() throws {
        let batch = RecordBatch([try record("a", "same"), try record("b", "same")])
        let kept = batch.withoutDuplicates(
            storedIDs: [ExactString("b")], holders: [(id: String, memoryHash: String)]())
        #expect(kept.map(\.id) == ["b"])
    }
}
