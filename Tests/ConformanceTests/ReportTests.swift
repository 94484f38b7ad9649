import AgentMemory
import BackendHarnesses
import Foundation
import MemoryConformance
import ReferenceBackend
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// The forms of a report, made from a run in which one backend fails.
@Suite struct ReportTests {
    /// The reference backend, but its lists say that their total is the length of their page.
    struct PageTotals: ConformanceHarness {
        let backend = "page-totals"

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            ScopedDatabase(
                database: Database(whole: ReferenceMemoryDatabase(embedder: embedder)), remove: {})
        }

        struct Database: MemoryVectorDatabase {
            let whole: ReferenceMemoryDatabase

            var name: String { whole.name }
            var capabilities: BackendCapabilities { whole.capabilities }
            func prepare() async throws { await whole.prepare() }
            func run() async throws { try await whole.run() }
            func close() async { await whole.close() }
            func health() async -> [ComponentHealth] { [ComponentHealth("store", version: "<1 & 2>")] }
            func add(_ records: [MemoryRecord]) async throws -> [String] { try await whole.add(records) }
            func search(_ query: SearchQuery) async throws -> Page<SearchHit> { try await whole.search(query) }
            func count(_ filter: MemoryFilter) async throws -> Int { await whole.count(filter) }
            func delete(_ ids: [String]) async throws -> Int { try await whole.delete(ids) }
            func update(_ updates: [RecordUpdate]) async throws -> Int { try await whole.update(updates) }
            func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
                let page = await whole.list(query)
                return Page(
                    items: page.items, total: page.items.count,
                    request: try PageRequest(limit: max(1, page.items.count)))
            }
        }
    }

    /// One check that both pass, one that one fails, and one that cannot be asked of it: it has no
    /// second way in.
    private static func report(expecting expected: String = "") async throws -> ConformanceReport {
        let run = try ConformanceRun(
            .init(
                only: ["record/R3", "durability/R6-second", "page/P2-total"],
                expectedFailures: try ExpectedFailures(parsing: expected)))
        return await run.run(on: [ReferenceHarness(), PageTotals()])
    }

    @Test func `JSON has its schema`() async throws {
        let report = try await Self.report()
        #expect(!report.succeeded)
        let json = report.json.jsonText
        let parsed = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(
            Set(parsed.keys) == [
                "schema", "schema_version", "kit_version", "contract_version", "started_at", "duration_seconds", "seed",
                "histories", "succeeded", "interrupted", "stale_expectations", "backends",
            ])
        #expect(parsed["schema_version"] as? Int == 1)
        let backends = try #require(parsed["backends"] as? [[String: Any]])
        #expect(backends.map { $0["name"] as? String } == ["reference", "page-totals"])
        #expect(backends[1]["versions"] as? [String] == ["<1 & 2>"])
        let checks = try #require(backends[1]["checks"] as? [[String: Any]])
        #expect(
            checks.map { $0["id"] as? String } == [
                "record/R3-ids-in-order", "page/P2-total", "durability/R6-second-connection",
            ])
        #expect(checks.map { $0["result"] as? String } == ["passed", "failed", "not-applicable"])
        let failure = try #require(checks.dropFirst().first)
        #expect(failure["rule"] as? String == "P2")
        #expect(failure["level"] as? String == "paging")
        #expect(failure["requirement"] as? String == "MUST")
        #expect((failure["hint"] as? String)?.contains("total") == true)
        let evidence = try #require(failure["evidence"] as? [String: Any])
        #expect(evidence["expected"] as? String == "30")
        #expect(evidence["got"] as? String == "1")
        let calls = try #require(evidence["calls"] as? [String])
        #expect(calls.first?.hasPrefix("add(") == true)
        #expect(calls.last?.hasPrefix("list(") == true)
    }

    @Test func `JUnit is XML with the failure`() async throws {
        final class Counter: NSObject, XMLParserDelegate {
            var elements: [String: Int] = [:]
            var messages: [String] = []

            func parser(
                _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
                attributes: [String: String] = [:]
            ) {
                elements[name, default: 0] += 1
                if let message = attributes["message"] { messages.append(message) }
            }
        }
        let counter = Counter()
        let parser = XMLParser(data: Data(try await Self.report().junit.utf8))
        parser.delegate = counter
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(counter.elements["testsuite"] == 2)
        #expect(counter.elements["testcase"] == 6)
        #expect(counter.elements["failure"] == 1)
        #expect(counter.elements["skipped"] == 1)
        #expect(counter.messages.contains { $0.contains("expected 30, got 1") })
    }

    @Test func `markdown and table show both columns`() async throws {
        let report = try await Self.report()
        #expect(report.markdown.contains("| `page/P2-total` | paging | MUST | pass | FAIL |"))
        #expect(report.markdown.contains("| `record/R3-ids-in-order` | core | MUST | pass | pass |"))
        #expect(report.markdown.contains("page-totals, needs a second way into the same scope"))
        #expect(report.table.contains("the contract does not hold"))
        #expect(report.table.contains("usually wrong: total is the number of records on the page"))
    }

    @Test func `an expected failure does not fail the run`() async throws {
        let report = try await Self.report(expecting: "page-totals page/P2-total totals come next\n")
        #expect(report.succeeded)
        #expect(report.markdown.contains("| pass | expected |"))
        #expect(report.junit.contains("expected-failure: "))
    }

    @Test func `a stale expectation fails the run`() async throws {
        let report = try await Self.report(
            expecting: "* record/R3-ids-in-order never true\npage-totals page/P2-total totals come next\n")
        #expect(!report.succeeded)
        #expect(report.staleExpectations.map(\.check) == ["record/R3-ids-in-order"])
    }

    @Test(
        arguments: [
            ("redis page/P2-total", "line 1"), ("# fine\nredis page/P9-nope why", "page/P9-nope"),
            ("\n\nredis", "line 3"),
        ])
    func `wrong lines of expected failures are refused`(_ text: String, _ named: String) {
        let error = #expect(throws: MemoryError.self) { try ExpectedFailures(parsing: text) }
        #expect(error?.message.contains(named) == true)
    }
}
