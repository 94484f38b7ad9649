import AgentMemory
import Testing

@Suite struct UpdateFoldTests {
    private let time = Timestamp(microseconds: 1_700_000_000_000_000) ?? .earliest

    private func stored(_ ids: String...) throws -> [ExactString: MemoryRecord] {
        var records: [ExactString: MemoryRecord] = [:]
        for id in ids { records[ExactString(id)] = try MemoryRecord(id: id, text: "text of \(id)", lastAccessed: time) }
        return records
    }

    private func update(_ id: String, _ changes: RecordChanges) -> RecordUpdate {
        RecordUpdate(id: id, changes: changes)
    }

    @Test func `several updates of an ID apply in their order`() throws {
        let fold = UpdateFold(
            [
                update("b", try RecordChanges(text: "one", pinned: true)),
                update("a", try RecordChanges(topics: ["t"])),
                update("b", try RecordChanges(text: "two")),
            ], stored: try stored("a", "b"))
        #expect(fold.changes.map(\.id) == ["b", "a"])
        #expect(fold.changes[0].after.text == "two" && fold.changes[0].after.pinned)
        #expect(fold.changes[0].before.text == "text of b" && fold.changes[0].applied.count == 2)
        #expect(fold.changes[1].newText == nil && fold.changes[1].after.topics == ["t"])
        #expect(fold.textsToEmbed(besides: TextVectors()) == ["two"])
    }

    @Test func `an unknown ID is left out and asked for once`() throws {
        var asked: [String] = []
        let known = try stored("a")
        let fold = UpdateFold([
            update("x", try RecordChanges(text: "t")), update("x", try RecordChanges(text: "t")),
            update("a", try RecordChanges(text: "t")), update("a", try RecordChanges(pinned: true)),
        ]) { id in
            asked.append(id)
            return known[ExactString(id)]
        }
        #expect(asked == ["x", "a"] && fold.changes.map(\.id) == ["a"])
    }

    @Test func `an access that is not due is skipped with its other changes`() throws {
        let early = time.advanced(bySeconds: 899)
        let due = time.advanced(bySeconds: 900)
        let notDue = UpdateFold(
            [update("a", try RecordChanges(text: "t", access: .init(at: early)))], stored: try stored("a"))
        #expect(notDue.changes.isEmpty)
        // The first sets the date that the second is measured against.
        let twice = UpdateFold(
            [
                update("a", try RecordChanges(access: .init(at: due))),
                update("a", try RecordChanges(access: .init(at: due))),
            ],
            stored: try stored("a"))
        #expect(twice.changes.count == 1 && twice.changes[0].after.accessCount == 1)
        #expect(twice.changes[0].applied.count == 1 && twice.changes[0].after.lastAccessed == due)
    }

    @Test func `a text that comes back needs no vector`() throws {
        let fold = UpdateFold(
            [update("a", try RecordChanges(text: "other")), update("a", try RecordChanges(text: "text of a"))],
            stored: try stored("a"))
        #expect(fold.changes.count == 1 && fold.changes[0].newText == nil)
        #expect(fold.textsToEmbed(besides: TextVectors()).isEmpty)
    }

    @Test func `a text is embedded once`() async throws {
        let fold = UpdateFold(
            [
                update("a", try RecordChanges(text: "same")), update("b", try RecordChanges(text: "same")),
                update("c", try RecordChanges(text: "\u{E9}")), update("d", try RecordChanges(text: "e\u{301}")),
            ], stored: try stored("a", "b", "c", "d"))
        var vectors = TextVectors()
        try await vectors.embed(["same"], by: LengthEmbedder())
        #expect(vectors["same"] == [4] && vectors["\u{E9}"] == nil)
        #expect(fold.textsToEmbed(besides: vectors).map { Array($0.utf8).count } == [2, 3])
    }
}

/// Makes vectors of one dimension: the number of characters.
private struct LengthEmbedder: Embedder {
    let model = "length"
    let dimensions = 1

    func embed(_ texts: [String]) -> [[Float]] { texts.map { [Float($0.count)] } }
    func unavailability() -> String? { nil }
}
