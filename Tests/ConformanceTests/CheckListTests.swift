import MemoryConformance
import Testing

/// What must hold of the list of checks itself.
@Suite struct CheckListTests {
    @Test func idsAreDistinctAndNameARule() {
        let ids = ConformanceCheck.all.map(\.id)
        #expect(Set(ids).count == ids.count)
        for check in ConformanceCheck.all {
            #expect(check.rule.wholeMatch(of: /[RUDCFPSE][0-9]+/) != nil, "\(check.id)")
            #expect(!check.hint.isEmpty, "\(check.id)")
        }
    }

    @Test func everyChapterIsThere() {
        let chapters = Set(ConformanceCheck.all.map(\.chapter))
        #expect(
            chapters == [
                "record", "update", "filter", "page", "search", "keyword", "hybrid", "failure", "differential", "wire",
            ])
    }
}
