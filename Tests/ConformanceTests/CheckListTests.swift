import Foundation
import MemoryConformance
import Testing

/// What must hold of the list of checks itself.
@Suite struct CheckListTests {
    @Test func `IDs are distinct and name a rule`() {
        let ids = ConformanceCheck.all.map(\.id)
        #expect(Set(ids).count == ids.count)
        for check in ConformanceCheck.all {
            #expect(check.rule.wholeMatch(of: /[RUDCFPSEWJATHX][0-9]+/) != nil, "\(check.id)")
            #expect(!check.hint.isEmpty, "\(check.id)")
        }
    }

    @Test func `every chapter is there`() {
        let chapters = Set(ConformanceCheck.all.map(\.chapter))
        #expect(
            chapters == [
                "record", "update", "filter", "expiry", "page", "search", "keyword", "hybrid", "capability", "failure",
                "concurrency", "durability", "size", "recall", "differential", "session", "jobs", "scope", "tokens",
                "history", "wire",
            ])
    }

    @Test func `every rule has a check and every check a rule`() throws {
        let contract = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Documentation/contract.md").standardized
        let lines = try String(contentsOf: contract, encoding: .utf8).split(separator: "\n")
        let rules = Set(
            lines.compactMap { $0.firstMatch(of: /^- ([RUDCFPSEWJATHX][0-9]+)\b/).map { String($0.output.1) } })
        #expect(rules.count == 81)
        let checked = Set(ConformanceCheck.all.map(\.rule))
        #expect(checked.subtracting(rules) == [], "checks of rules that the contract does not have")
        // What a server does with its stores is for the tests of the service and of the binary.
        #expect(rules.subtracting(checked) == ["W11", "J6", "E4", "H4"], "rules without a check")
    }
}
