import AgentMemory
import BackendProtocol
import Testing

/// What one side of the border writes, the other reads as the same.
@Suite struct RoundTripTests {
    @Test func requests() throws {
        for request in try Samples.requests() {
            let json = try JSONValue(fromBorder: request.json(analyzer: TextAnalyzer()))
            let read = try BackendRequest(request.operation, json: json)
            switch (request, read) {
            case (.prepare, .prepare), (.health, .health), (.drop, .drop): break
            case (.add(let a, let aBytes), .add(let b, let bBytes)): #expect(a == b && aBytes == bBytes)
            case (.search(let a, let aWants), .search(let b, let bWants)): #expect(a == b && aWants == bWants)
            case (.list(let a), .list(let b)): #expect(a == b)
            case (.count(let a), .count(let b)): #expect(a == b)
            case (.remove(let a), .remove(let b)): #expect(a == b)
            case (.update(let a, let aBytes), .update(let b, let bBytes)): #expect(a == b && aBytes == bBytes)
            default: Issue.record("\(request.operation) became \(read.operation)")
            }
        }
    }

    @Test func answers() throws {
        let records = try Samples.records()
        #expect(
            try BackendAnswer.ids(JSONValue(fromBorder: BackendAnswer.added(records.map(\.id))), of: records)
                == records.map(\.id))
        let page = try PageRequest(limit: 2)
        let listed = Page(items: records, total: 3, request: page)
        #expect(try BackendAnswer.records(JSONValue(fromBorder: BackendAnswer.listed(listed)), on: page) == listed)
        let hits = try Samples.hits()
        let read = try BackendAnswer.hits(
            JSONValue(fromBorder: BackendAnswer.found(hits)), ranking: .semanticWithRecency(.standard), on: page)
        #expect(read.total == 12)
        #expect(read.items.map(\.distance) == [0.5, 0.75])
        #expect(read.items.map(\.score) == [0.5, 0.9])
        let components = [ComponentHealth("store", reason: "full", version: "1"), ComponentHealth("index")]
        #expect(
            try BackendAnswer.components(JSONValue(fromBorder: BackendAnswer.health(components))) == components)
    }

    /// A backend's numbers at their extremes: refused or taken, nothing else.
    @Test(arguments: [
        "-9223372036854775808", "-1", "0", "1", "9223372036854775807", "9223372036854775808", "1e18", "1e19", "1e308",
        "-1e308", "4.9e-324", "0.5", "null", "\"1\"",
    ])
    func `extremes of answers`(_ number: String) throws {
        let records = try Samples.records()
        let written = String(
            decoding: BackendAnswer.listed(Page(items: records, total: 3, nextOffset: nil)), as: UTF8.self)
        let hits = String(decoding: BackendAnswer.found(try Samples.hits()), as: UTF8.self)
        func taken(_ read: () throws -> Void) throws {
            do {
                try read()
            } catch let error as MemoryError {
                #expect(error.code == .internalError)
            }
        }
        for page in [
            try PageRequest(limit: 2), try PageRequest(limit: 10_000, offset: .max),
            try PageRequest(limit: 2, offset: 7),
        ] {
            for member in ["total", "access_count", "created_at", "last_accessed", "updated_at", "distance", "score"] {
                let pattern = try Regex("\"\(member)\":[^,}]*")
                let listed = try JSONValue(
                    fromBorder: Array(written.replacing(pattern, with: "\"\(member)\":\(number)").utf8))
                let found = try JSONValue(
                    fromBorder: Array(hits.replacing(pattern, with: "\"\(member)\":\(number)").utf8))
                try taken {
                    let page = try BackendAnswer.records(listed, on: page)
                    // What the server does with them next.
                    for var record in page.items {
                        let access = RecordChanges.Access(at: record.createdAt, minimumIntervalSeconds: 0)
                        record.apply(try RecordChanges(access: access))
                        _ = record.json
                    }
                }
                try taken { _ = try BackendAnswer.hits(found, ranking: .semanticWithRecency(.standard), on: page) }
            }
        }
        try taken {
            _ = try BackendAnswer.number(["count": JSONValue(parsing: Array(number.utf8))], "count", answering: .count)
        }
    }

    @Test func `answers that cannot be`() throws {
        let records = try Samples.records()
        let page = try PageRequest(limit: 1, offset: 5)
        func refused(_ read: () throws -> Void) {
            let error = #expect(throws: MemoryError.self) { try read() }
            #expect(error?.code == .internalError)
        }
        refused { _ = try BackendAnswer.ids(["ids": ["a"]], of: records) }
        refused { _ = try BackendAnswer.ids(["ids": ["a", "c"]], of: records) }
        refused { _ = try BackendAnswer.number(["count": -1], "count", answering: .count) }
        refused { _ = try BackendAnswer.number(["count": 1.5], "count", answering: .count) }
        refused { _ = try BackendAnswer.number(["deleted": 3], "deleted", answering: .remove, maximum: 2) }
        refused { _ = try BackendAnswer.records(["records": [], "total": nil], on: page) }
        let two = try JSONValue(fromBorder: BackendAnswer.listed(Page(items: records, total: 9, nextOffset: nil)))
        refused { _ = try BackendAnswer.records(two, on: page) }
        let beyond = try JSONValue(
            fromBorder: BackendAnswer.listed(Page(items: [records[0]], total: 1, nextOffset: nil)))
        refused { _ = try BackendAnswer.records(beyond, on: page) }
        let scoreless = try JSONValue(
            fromBorder: BackendAnswer.found(Page(items: [SearchHit(listed: records[0])], total: 9, nextOffset: nil)))
        refused { _ = try BackendAnswer.hits(scoreless, ranking: .keyword(.bm25std), on: page) }
    }

    @Test func failures() throws {
        let error = MemoryError(
            .invalidInput, "not so", path: [.key("topics"), .index(2)], underlying: "for the log")
        let read = try #require(
            BackendFailure.error(
                BackendStatus(error), try JSONValue(fromBorder: BackendFailure.json(error)), backend: "acme")
                as? MemoryError)
        #expect(read.code == .invalidInput && read.message == "not so" && read.path == error.path)
        #expect(read.underlying == "for the log")
        for status in BackendStatus.allCases { #expect(BackendStatus(word: status.word) == status) }
        let mute = try #require(BackendFailure.error(.storeUnavailable, nil, backend: "acme") as? MemoryError)
        #expect(mute.message.contains("acme"))
    }

    @Test func descriptions() throws {
        let description = BackendDescription(
            name: "acme", version: "2.1",
            capabilities: BackendCapabilities(
                serverSideRecency: false, metadataFilters: true, textScorers: [.bm25std, .tfidf]))
        #expect(try BackendDescription(json: JSONValue(fromBorder: description.json)) == description)
        let least = try BackendDescription(json: ["name": "acme", "capabilities": ["keyword_search": true]])
        #expect(least.capabilities.textScorers == [.bm25std])
        #expect(!least.capabilities.hybridSearch && !least.capabilities.distanceThreshold)
        #expect(!least.capabilities.metadataFilters)
        for wrong: JSONValue in [
            [], ["name": "", "capabilities": [:]], ["name": "a"], ["name": "a", "capabilities": ["keyword": true]],
            ["name": "a", "capabilities": ["keyword_search": 1]], ["name": "a", "capabilities": [:], "colour": "red"],
            ["name": "a", "capabilities": ["text_scorers": ["BEST"]]],
        ] {
            #expect(throws: MemoryError.self, "\(wrong.jsonText)") { try BackendDescription(json: wrong) }
        }
    }
}
