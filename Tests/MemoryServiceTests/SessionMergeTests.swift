import AgentMemory
import Testing

@testable import MemoryService

@Suite struct SessionMergeTests {
    private static func date(_ second: Int64) -> Timestamp {
        Timestamp(microseconds: 1_767_323_045_000_000 + second * 1_000_000) ?? .earliest
    }

    private func message(_ id: String, _ content: String? = nil) throws -> SessionMessage {
        try SessionMessage(id: id, role: "user", content: content ?? id, createdAt: Self.date(0))
    }

    private func put(
        _ ids: [String], stamp: Timestamp?, context: String? = nil, createdAt: Timestamp? = nil
    ) throws -> SessionPut {
        SessionPut(
            key: try SessionKey(sessionID: "s"), messages: try ids.map { try message($0) }, context: context,
            createdAt: createdAt, writerStamp: stamp)
    }

    /// A session that grew by one message with each revision; the stamp of revision n is second n.
    private func stored(_ ids: [String], context: String? = nil, writerStamp: Timestamp? = nil) throws -> StoredSession
    {
        let memory = WorkingMemory(
            key: try SessionKey(sessionID: "s"), messages: try ids.map { try message($0) }, context: context,
            createdAt: Self.date(0), updatedAt: Self.date(0), lastAccessed: Self.date(Int64(ids.count)))
        return StoredSession(
            memory: memory, messageCount: ids.count,
            revisions: (1...ids.count).map {
                SessionRevision(
                    number: $0, stamp: Self.date(Int64($0)), writerStamp: $0 == 1 ? writerStamp : nil, messageCount: $0)
            })
    }

    @Test func `a PUT without a stamp replaces`() throws {
        #expect(SessionMerge(try put(["z"], stamp: nil), over: try stored(["a", "b"])) == .replace)
    }

    @Test func `from the current state, more messages are appended and anything else replaces`() throws {
        let stored = try stored(["a", "b"])
        let stamp = Self.date(2)
        #expect(
            SessionMerge(try put(["a", "b", "c"], stamp: stamp), over: stored) == .append([try message("c")]))
        #expect(SessionMerge(try put(["a"], stamp: stamp), over: stored) == .replace)
        #expect(SessionMerge(try put(["a", "b", "c"], stamp: stamp, context: "x"), over: stored) == .replace)
        #expect(
            SessionMerge(try put(["a", "b", "c"], stamp: stamp, createdAt: Self.date(9)), over: stored) == .replace)
    }

    @Test func `from an older state, what was added is added`() throws {
        let stored = try stored(["a", "b", "c"])
        let stamp = Self.date(1)
        #expect(SessionMerge(try put(["a", "z"], stamp: stamp), over: stored) == .append([try message("z")]))
        #expect(SessionMerge(try put(["a", "b"], stamp: stamp), over: stored) == .unchanged)
        #expect(SessionMerge(try put(["a"], stamp: stamp), over: stored) == .unchanged)
    }

    @Test func `from an older state, any other change is a conflict`() throws {
        let stored = try stored(["a", "b", "c"])
        #expect(SessionMerge(try put(["x", "z"], stamp: Self.date(1)), over: stored) == .conflict)
        #expect(SessionMerge(try put([], stamp: Self.date(1)), over: stored) == .conflict)
        #expect(SessionMerge(try put(["a", "z"], stamp: Self.date(1), context: "new"), over: stored) == .conflict)
    }

    @Test func `a writer's own stamp tells the state that it wrote`() throws {
        let own = Self.date(-50)
        let stored = try stored(["a", "b"], writerStamp: own)
        #expect(SessionMerge(try put(["a", "z"], stamp: own), over: stored) == .append([try message("z")]))
    }

    @Test func `an unknown earlier stamp must not drop anything`() throws {
        let stored = try stored(["a", "b"], context: "summary")
        #expect(SessionMerge(try put(["a"], stamp: Self.date(-9), context: "x"), over: stored) == .conflict)
        #expect(SessionMerge(try put(["a", "b"], stamp: Self.date(-9)), over: stored) == .conflict)
        #expect(SessionMerge(try put(["a", "b"], stamp: Self.date(-9), context: "x"), over: stored) == .replace)
        #expect(SessionMerge(try put([], stamp: Self.date(-9)), over: stored) == .unchanged)
        #expect(SessionMerge(try put(["z"], stamp: Self.date(99)), over: stored) == .replace)
    }

    @Test func `write conditions hold or fail with what is stored`() throws {
        let stored = try stored(["a", "b"])
        func holds(_ condition: WriteCondition, _ stored: StoredSession?) -> Bool {
            do {
                try condition.check(stored)
                return true
            } catch {
                #expect(error.code == .preconditionFailed)
                return false
            }
        }
        #expect(holds(.none, nil) && holds(.none, stored))
        #expect(holds(.exists, stored) && !holds(.exists, nil))
        #expect(holds(.absent, nil) && !holds(.absent, stored))
        #expect(holds(.revision([1, 2]), stored) && !holds(.revision([1]), stored) && !holds(.revision([2]), nil))
        #expect(!holds(.revision([]), stored))
    }
}
