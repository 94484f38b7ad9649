import AgentMemory
import Testing

@Suite struct ReanalysisProgressTests {
    @Test func `says what is left, what failed, and nothing at the end`() {
        let progress = ReanalysisProgress()
        #expect(progress.warning == nil)
        progress.report(remaining: 12)
        #expect(progress.warning?.hasPrefix("12 records ") == true)
        progress.fail("the store takes no writes")
        #expect(progress.warning?.hasSuffix("the store takes no writes") == true)
        progress.finish()
        #expect(progress.warning == nil)
        progress.report(remaining: 0)
        #expect(progress.warning == nil)
    }
}
