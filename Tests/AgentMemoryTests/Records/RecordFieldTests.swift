import AgentMemory
import Testing

@Suite struct RecordFieldTests {
    /// Every field holds another value than the default.
    private static func record() throws -> MemoryRecord {
        func date(_ seconds: Int64) throws -> Timestamp {
            try #require(Timestamp(microseconds: seconds * 1_000_000 + 17))
        }
        // Stored, because a client's record that is pinned has no expiresAt.
        return try MemoryRecord(
            storedID: "i", text: "t", sessionID: "s", userID: "u", namespace: "n", memoryType: .episodic,
            topics: ["a", "b"], entities: ["e"], extractedFrom: ["m"], discreteMemoryExtracted: false,
            extractionStrategy: "summary", extractionStrategyConfig: ["k": 1], metadata: ["x": nil], memoryHash: "h",
            pinned: true, accessCount: 3, createdAt: date(1), lastAccessed: date(2), updatedAt: date(3),
            persistedAt: date(4), eventDate: date(5), expiresAt: date(6))
    }

    @Test func `names are different and cases are in their positions`() {
        #expect(Set(RecordField.allCases.map(\.name)).count == RecordField.allCases.count)
        #expect(RecordField.allCases.map(\.rawValue) == Array(RecordField.allCases.indices))
    }

    /// So that a field which an initializer forgets does not come back unnoticed, as `nil` or as
    /// its default.
    @Test func `the sample has no defaults`() throws {
        let plain = try MemoryRecord(id: "x", text: "y", now: .latest)
        let sample = try Self.record()
        for field in RecordField.allCases {
            var (first, second) = (JSONWriter(), JSONWriter())
            first.object { $0.write(field, plain.value(of: field), .api) }
            second.object { $0.write(field, sample.value(of: field), .api) }
            #expect(first.bytes != second.bytes, "\(field.name)")
        }
    }

    @Test(arguments: [RecordSpelling.api, .backend])
    func `records come back from JSON`(_ spelling: RecordSpelling) throws {
        for record in [try Self.record(), try MemoryRecord(id: "x", text: "y")] {
            var writer = JSONWriter()
            writer.object { writer in
                for field in RecordField.allCases { writer.write(field, record.value(of: field), spelling) }
            }
            var members = RecordMembers(try JSONValue(parsing: writer.bytes), spelling, of: "the record")
            #expect(try MemoryRecord(reading: &members) == record)
        }
    }

    @Test func `members may come in any order`() throws {
        let record = try Self.record()
        let members = try #require(JSONValue(parsing: record.json.bytes).objectValue).members
        var writer = JSONWriter()
        writer.object { writer in
            for member in members.reversed() {
                writer.name(member.name)
                writer.value(member.value)
            }
        }
        #expect(try MemoryRecord(json: JSONValue(parsing: writer.bytes), of: "the record") == record)
    }

    @Test func `an unreadable member is named`() throws {
        let error = #expect(throws: MemoryError.self) {
            try MemoryRecord(json: ["id": "i", "text": "t", "last_accessed": "soon"], of: "the record")
        }
        #expect(error?.code == .internalError && error?.message == "the record has no readable last_accessed")
    }

    @Test func `changes come back from JSON and name their fields`() throws {
        let record = try Self.record()
        let changes = try RecordChanges(
            text: "new", sessionID: .set(nil), userID: .set("v"), memoryType: .message, topics: [], metadata: ["a": 1],
            pinned: false, eventDate: .set(nil), expiresAt: .set(nil), updatedAt: record.updatedAt)
        #expect(
            changes.fields.map(\.name) == [
                "text", "session_id", "user_id", "updated_at", "pinned", "topics", "memory_type", "event_date",
                "metadata", "expires_at",
            ])
        var writer = JSONWriter()
        writer.object { writer in
            for field in changes.fields {
                if let value = changes.value(of: field) { writer.write(field, value, .backend) }
            }
        }
        var members = RecordMembers(
            try JSONValue(parsing: writer.bytes), .backend, of: "set", failing: .invalidInput)
        #expect(try RecordChanges(reading: &members, access: nil) == changes)
    }

    @Test func `what changes name is what apply sets`() throws {
        let record = try Self.record()
        let changes = try RecordChanges(
            text: "new", sessionID: .set("x"), userID: .set(nil), namespace: .set("y"), memoryType: .semantic,
            topics: ["c"], entities: [], extractedFrom: ["n"], discreteMemoryExtracted: true, metadata: [:],
            pinned: false, eventDate: .set(nil), expiresAt: .set(nil), updatedAt: .latest)
        var changed = record
        changed.apply(changes)
        for field in RecordField.allCases where field != .memoryHash {
            var (before, after) = (JSONWriter(), JSONWriter())
            before.object { $0.write(field, record.value(of: field), .api) }
            after.object { $0.write(field, changed.value(of: field), .api) }
            let isNamed = changes.value(of: field) != nil
            #expect((before.bytes != after.bytes) == isNamed, "\(field)")
        }
        #expect(changed.memoryHash == changed.computedHash() && changed.memoryHash != record.memoryHash)
    }

    @Test func `an access names no field`() throws {
        let changes = try RecordChanges(access: .init(at: .latest))
        #expect(changes.fields.isEmpty && !changes.isEmpty && !changes.touchesHash)
        #expect(try RecordChanges().isEmpty)
    }
}
