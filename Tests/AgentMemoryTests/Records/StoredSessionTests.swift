import AgentMemory
import Testing

@Suite struct StoredSessionTests {
    @Test(arguments: [
        #"[9223372036854775807,0,null,0]"#, #"[-1,0,null,0]"#, #"[9007199254740992,0,null,0]"#, #"[1,0,null,-1]"#,
        #"[1,9223372036854775807,null,0]"#, #"[1,0,null,1e300]"#, #"[1,0,null]"#, #"["1",0,null,0]"#,
    ])
    func `impossible revisions are refused`(_ text: String) throws {
        #expect(SessionRevision(json: try JSONValue(parsing: text)) == nil)
    }

    @Test func `revisions come back as they were written`() throws {
        let stamp = try #require(Timestamp(parsing: "2026-01-01T00:00:00.000001Z"))
        for writerStamp in [stamp, nil] {
            let revision = SessionRevision(number: 7, stamp: stamp, writerStamp: writerStamp, messageCount: 3)
            #expect(SessionRevision(json: revision.json) == revision)
        }
    }
}
