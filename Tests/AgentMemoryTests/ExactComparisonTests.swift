import AgentMemory
import Testing

/// Texts that look the same and differ in their bytes are different values.
@Suite struct ExactComparisonTests {
    private let composed = "caf\u{E9}"
    private let decomposed = "cafe\u{301}"

    @Test func `JSON strings are compared by their bytes`() {
        #expect(composed == decomposed)
        #expect(JSONValue.string(composed) != .string(decomposed))
        #expect(JSONValue.array([.string(composed)]) != .array([.string(decomposed)]))
        #expect(JSONValue.object(["a": .string(composed)]) != .object(["a": .string(decomposed)]))
        #expect(
            MemoryStrategy(.custom, config: ["custom_prompt": .string(composed)])
                != MemoryStrategy(.custom, config: ["custom_prompt": .string(decomposed)]))
        let object: JSONObject = ["a": .string(composed), "b": [1, 2.5, nil, true, ["c": []]]]
        #expect(object == ["b": [1, 2.5, nil, true, ["c": []]], "a": .string(composed)])
        #expect(JSONValue.int(1) != .string("1") && JSONValue.null != .bool(false))
    }

    @Test func `a caller's record keeps the spelling that is permitted`() throws {
        let caller = Caller(subject: "c", namespaces: [decomposed], rights: .all)
        let record = try MemoryRecord(id: "a", text: "text", namespace: decomposed)
        #expect(try caller.completed(record).namespace.map { ExactString($0) } == ExactString(decomposed))
        let other = try MemoryRecord(id: "a", text: "text", namespace: composed)
        #expect(throws: MemoryError.self) { try caller.completed(other) }
    }
}
