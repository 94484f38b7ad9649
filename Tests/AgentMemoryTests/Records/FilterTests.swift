import AgentMemory
import Testing

@Suite struct FilterTests {
    private func refusal(_ make: () throws(MemoryError) -> TagCondition) -> Bool {
        do throws(MemoryError) {
            _ = try make()
            return false
        } catch {
            return error.code == .invalidInput
        }
    }

    @Test func `refuses what must not mean everything`() {
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID) })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, eq: "") })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, eq: " ") })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, any: []) })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, all: []) })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, none: []) })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, any: ["a", ""]) })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, startsWith: "") })
    }

    @Test func `refuses combinations`() {
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, eq: "a", ne: "b") })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, any: ["a"], all: ["b"]) })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, eq: "a", startsWith: "a") })
        #expect(!refusal { () throws(MemoryError) in try TagCondition(field: .userID, eq: "a", any: ["a", "b"]) })
    }

    @Test func `refuses values that a field cannot have`() {
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .memoryType, eq: "bogus") })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .memoryType, startsWith: "sem") })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .discreteMemoryExtracted, eq: "true") })
        #expect(refusal { () throws(MemoryError) in try TagCondition(field: .userID, eq: "a\u{0}") })
    }

    @Test func `values are trimmed like stored ones`() throws {
        #expect(try TagCondition(field: .userID, eq: " a ").matches(["a"]))
        #expect(!(try TagCondition(field: .id, eq: " a ").matches(["a"])))
        #expect(try TagCondition(field: .userID, startsWith: "New ").matches(["New York"]))
    }

    @Test func `compares code points`() throws {
        #expect(!(try TagCondition(field: .userID, eq: "é").matches(["e\u{301}"])))
        #expect(!(try TagCondition(field: .userID, startsWith: "é").matches(["e\u{301}a"])))
        #expect(try TagCondition(field: .userID, startsWith: "e").matches(["e\u{301}a"]))
    }

    @Test func `sole ID is found only where nothing else is asked`() throws {
        let id = try TagCondition(field: .id, eq: "a")
        #expect(MemoryFilter(tags: [.id: id]).soleID == "a")
        #expect(MemoryFilter(tags: [.id: id, .userID: try TagCondition(field: .userID, eq: "u")]).soleID == nil)
        #expect(MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: "a", any: ["a", "b"])]).soleID == nil)
        #expect(MemoryFilter(tags: [.id: try TagCondition(field: .id, all: ["a", "b"])]).soleID == nil)
    }
}
