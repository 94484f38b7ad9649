import AgentMemory
import Testing

@Suite struct MemoryRecordTests {
    /// Printed by Python: hashlib.sha256(json.dumps({...}, sort_keys=True).encode()).hexdigest()
    @Test(
        arguments: [
            (
                "hello", nil, nil, nil, MemoryType.semantic,
                "12dedf11ec0357a1bbfaf2a929a1744b82a866cc38c5a2fa4f011b446ae1873e"
            ),
            (
                "Grüße \"🙂\"\n\t\\\u{7F}\u{1}", "u", "s", "n", MemoryType.episodic,
                "6ddb374125efafc73ec1e463a6edec1e35ca5206bb27cc367d6c538f27c1ac31"
            ),
        ] as [(String, String?, String?, String?, MemoryType, String)])
    func `hash is that of Python`(
        _ text: String, _ user: String?, _ session: String?, _ namespace: String?, _ type: MemoryType,
        _ expected: String
    ) {
        #expect(
            MemoryHash.compute(text: text, userID: user, sessionID: session, namespace: namespace, memoryType: type)
                == expected)
    }

    @Test func `trims tags and drops empty ones`() throws {
        let record = try MemoryRecord(
            id: " id ", text: " text ", sessionID: " ", userID: "\u{3000}ada\u{A0}", namespace: "",
            topics: [" a ", "", "b"])
        #expect(record.id == " id ")
        #expect(record.text == " text ")
        #expect(record.sessionID == nil)
        #expect(record.userID == "ada")
        #expect(record.namespace == nil)
        #expect(record.topics == ["a", "b"])
        #expect(record.memoryHash == record.computedHash())
    }

    @Test func `refuses what breaks the rules`() {
        func path(_ make: @autoclosure () throws(MemoryError) -> MemoryRecord) -> [MemoryError.PathComponent]? {
            do throws(MemoryError) {
                _ = try make()
                return nil
            } catch {
                return error.code == .invalidInput ? error.path : nil
            }
        }
        #expect(path(try MemoryRecord(id: "", text: "x")) == [.key("id")])
        #expect(path(try MemoryRecord(id: " \t", text: "x")) == [.key("id")])
        #expect(path(try MemoryRecord(id: String(repeating: "x", count: 513), text: "x")) == [.key("id")])
        #expect(path(try MemoryRecord(id: "a\nb", text: "x")) == [.key("id")])
        #expect(path(try MemoryRecord(id: "a", text: " \n")) == [.key("text")])
        #expect(path(try MemoryRecord(id: "a", text: "x\0y")) == [.key("text")])
        #expect(path(try MemoryRecord(id: "a", text: "x", userID: "a\u{85}")) == [.key("user_id")])
        #expect(path(try MemoryRecord(id: "a", text: "x", topics: ["a", "b,c"])) == [.key("topics"), .index(1)])
        #expect(
            path(try MemoryRecord(id: "a", text: "x", namespace: String(repeating: "ü", count: 257))) == [
                .key("namespace")
            ])
        #expect(path(try MemoryRecord(id: "a", text: "x", accessCount: -1)) == [.key("access_count")])
        #expect(path(try MemoryRecord(id: String(repeating: "x", count: 512), text: "x")) == nil)
    }

    @Test func `canonically equivalent texts are different`() throws {
        let composed = try MemoryRecord(id: "a", text: "é", now: .earliest)
        let decomposed = try MemoryRecord(id: "a", text: "e\u{301}", now: .earliest)
        #expect(composed != decomposed)
        #expect(composed.memoryHash != decomposed.memoryHash)
    }

    @Test func `an access count that is full stays`() throws {
        var record = try MemoryRecord(id: "a", text: "x", accessCount: .max)
        record.apply(try RecordChanges(access: .init(at: .latest)))
        #expect(record.accessCount == .max)
    }
}
