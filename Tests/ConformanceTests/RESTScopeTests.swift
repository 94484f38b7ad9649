import AgentMemory
import MemoryConformance
import Testing

@testable import RESTConformance

/// A scope over REST: names there and back, and filters that see nothing else.
@Suite struct RESTScopeTests {
    let scope = RESTScope()

    private func body(_ filter: MemoryFilter) throws -> JSONValue {
        .object(try scope.body(filter, hasRecordFilters: true))
    }

    private func stored(_ record: MemoryRecord, hash: String? = nil) throws -> MemoryRecord {
        var json = try #require(try JSONValue(parsing: record.json.bytes).objectValue)
        json["id"] = .string(try scope.id(record.id))
        json["namespace"] = .string(try scope.namespace(record.namespace))
        let renamed = try MemoryRecord(answered: .object(json))
        json["memory_hash"] = .string(hash ?? renamed.computedHash())
        return try MemoryRecord(answered: .object(json))
    }

    @Test func `records come back as they went`() throws {
        for namespace in [nil, "n", "~", "é"] {
            let record = try MemoryRecord(id: "a", text: "text", userID: "u", namespace: namespace)
            #expect(try scope.own(try stored(record)) == record)
        }
    }

    @Test func `a wrong hash stays wrong`() throws {
        let record = try MemoryRecord(id: "a", text: "text", namespace: "n")
        #expect(try scope.own(try stored(record, hash: "wrong")).memoryHash == "wrong")
        // A server that hashed the check's own namespace is wrong as well: it stores another one.
        let own = try scope.own(try stored(record, hash: record.computedHash()))
        #expect(own.memoryHash == record.computedHash())
    }

    @Test func `a record outside the scope is not shown`() throws {
        let error = #expect(throws: MemoryError.self) {
            try scope.own(try MemoryRecord(id: "a", text: "somebody's secret"))
        }
        #expect(error?.code == .internalError)
        #expect(error?.message.contains("secret") == false)
    }

    @Test func `edited dates are shown as given`() throws {
        let given = try #require(Timestamp(microseconds: 5))
        let edited = try #require(Timestamp(microseconds: 7_000_000))
        let record = try MemoryRecord(id: "a", text: "text", updatedAt: given, persistedAt: given)
        scope.didAdd(record)
        #expect(try scope.own(try stored(record)).persistedAt == given)
        scope.didEdit("a", at: edited, shownAs: nil)
        let after = try MemoryRecord(id: "a", text: "text", updatedAt: edited, persistedAt: edited)
        #expect(try scope.own(try stored(after)).updatedAt == given)
        let later = try MemoryRecord(id: "a", text: "text", updatedAt: edited.advanced(bySeconds: 1))
        #expect(try scope.own(try stored(later)).updatedAt == edited.advanced(bySeconds: 1))
    }

    @Test func `every filter stays below the scope`() throws {
        let prefix = scope.prefix
        #expect(try body(.everything) == ["namespace": ["eq": .string(prefix)]])
        scope.willUse(namespace: prefix)
        #expect(try body(.everything) == ["namespace": ["eq": .string(prefix)]])
        scope.willUse(namespace: prefix + "n")
        #expect(try body(.everything) == ["namespace": ["startswith": .string(prefix)]])
        let user = try TagCondition(field: .userID, eq: "u", none: ["v"])
        #expect(
            try body(MemoryFilter(tags: [.userID: user])) == [
                "user_id": ["eq": "u", "none": ["v"]], "namespace": ["startswith": .string(prefix)],
            ])
        // What names an id or a namespace is inside already.
        let id = try TagCondition(field: .id, any: ["a", "b"])
        #expect(
            try body(MemoryFilter(tags: [.id: id])) == ["id": ["any": [.string(prefix + "a"), .string(prefix + "b")]]])
        let namespace = try TagCondition(field: .namespace, startsWith: "n")
        #expect(
            try body(MemoryFilter(tags: [.namespace: namespace])) == [
                "namespace": ["startswith": .string(prefix + "n")]
            ])
        // What only excludes is not.
        let notN = try TagCondition(field: .namespace, ne: "n")
        #expect(
            try body(MemoryFilter(tags: [.namespace: notN])) == [
                "namespace": ["ne": .string(prefix + "n")], "id": ["startswith": .string(prefix)],
            ])
        let notA = try TagCondition(field: .id, ne: "a")
        #expect(
            try body(MemoryFilter(tags: [.namespace: notN, .id: notA])) == [
                "namespace": ["ne": .string(prefix + "n"), "any": [.string(prefix), .string(prefix + "n")]],
                "id": ["ne": .string(prefix + "a")],
            ])
        #expect(
            try scope.body(MemoryFilter(tags: [.namespace: notN]), hasRecordFilters: false) == [
                "namespace": ["ne": .string(prefix + "n"), "any": [.string(prefix), .string(prefix + "n")]]
            ])
    }

    @Test func `what the wire cannot say does not apply`() throws {
        let long = String(repeating: "x", count: 501)
        #expect(throws: NotApplicable.self) { try scope.id(long) }
        #expect(throws: NotApplicable.self) { try scope.namespace(long) }
        #expect(throws: NotApplicable.self) { try EditBody(RecordChanges(metadata: [:]), scope) }
        #expect(throws: NotApplicable.self) { try EditBody(RecordChanges(eventDate: .set(nil)), scope) }
        let prefix = try TagCondition(field: .memoryHash, startsWith: "ab")
        #expect(throws: NotApplicable.self) { try body(MemoryFilter(tags: [.memoryHash: prefix])) }
        let id = try TagCondition(field: .id, eq: "a")
        #expect(throws: NotApplicable.self) {
            try scope.body(MemoryFilter(tags: [.id: id]), hasRecordFilters: false)
        }
    }
}
