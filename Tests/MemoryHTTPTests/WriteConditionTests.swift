import AgentMemory
import HTTPTypes
import MemoryService
import Testing

@testable import MemoryHTTP

@Suite struct WriteConditionTests {
    private func condition(ifMatch: String? = nil, ifNoneMatch: String? = nil) throws(MemoryError) -> WriteCondition {
        var fields = HTTPFields()
        if let ifMatch { fields[.ifMatch] = ifMatch }
        if let ifNoneMatch { fields[.ifNoneMatch] = ifNoneMatch }
        return try WriteCondition(fields)
    }

    @Test func `headers become conditions`() throws {
        #expect(try condition() == .none)
        #expect(try condition(ifMatch: "*") == .exists)
        #expect(try condition(ifNoneMatch: "*") == .absent)
        #expect(try condition(ifMatch: "\"3\"") == .revision([3]))
        #expect(try condition(ifMatch: "\"3\", \t\"5\"") == .revision([3, 5]))
    }

    @Test(arguments: ["3", "W/\"3\"", "\"x\"", "\"\"", ""])
    func `a tag that no response carried matches no revision`(_ tag: String) throws {
        #expect(try condition(ifMatch: tag) == .revision([]))
    }

    @Test func `other combinations are refused`() {
        #expect { try condition(ifMatch: "*", ifNoneMatch: "*") } throws: {
            ($0 as? MemoryError)?.code == .invalidCombination
        }
        #expect { try condition(ifNoneMatch: "\"3\"") } throws: {
            ($0 as? MemoryError)?.code == .invalidCombination
        }
    }
}
