import AgentMemory
import RedisDriver
import Testing

@testable import RedisBackend

@Suite struct RecordHashTests {
    private func values(_ fields: [String: String]) -> [RedisValue] {
        RecordHash.fields.map { name in fields[name].map { .bytes(Array($0.utf8)) } ?? .null }
    }

    @Test func `comes back unchanged`() throws {
        let date = try #require(Timestamp(microseconds: -1_234_567))
        let record = try MemoryRecord(
            id: " i d ", text: " t\n😀 ", sessionID: "s", namespace: "n", memoryType: .episodic, topics: ["a", "b c"],
            extractedFrom: ["m1"], discreteMemoryExtracted: false, extractionStrategyConfig: ["k": [1, 2.50]],
            metadata: ["x": nil, "y": "ä\"\\"], pinned: true, accessCount: 3, createdAt: date, eventDate: .latest)
        let fields = Dictionary(uniqueKeysWithValues: RecordHash.fields(of: record).map { ($0.name, $0.value) })
        #expect(fields["user_id"] == "" && fields["entities"] == "" && fields["discrete_memory_extracted"] == "f")
        #expect(fields["id_exact"] == "< i d >" && fields["persisted_at"] == nil && fields["pinned"] == "1")
        #expect(RecordHash.record(from: values(fields)) == record)
    }

    @Test func `reads what the reference writes`() throws {
        let record = try #require(
            RecordHash.record(
                from: values([
                    "id_": "01J", "text": "likes tea", "session_id": "", "user_id": "u", "namespace": "",
                    "memory_type": "semantic",
                    "topics": "tea, food,", "entities": "", "memory_hash": "h", "discrete_memory_extracted": "t",
                    "pinned": "0",
                    "access_count": "0", "created_at": "1732341234.123457", "last_accessed": "1732341234",
                    "updated_at": "2024-11-23T05:53:54.5+00:00", "metadata": "{\"a\": 1}",
                    "extraction_strategy_config": "{}",
                ])))
        #expect(record.sessionID == nil && record.userID == "u" && record.topics == ["tea", "food"])
        #expect(record.createdAt.microseconds == 1_732_341_234_123_457)
        #expect(record.updatedAt.microseconds == 1_732_341_234_500_000)
        #expect(record.metadata["a"]?.intValue == 1 && record.eventDate == nil)
        #expect(record.extractionStrategy == "discrete" && record.discreteMemoryExtracted)
    }

    @Test func `tolerates fields that are missing or broken`() throws {
        let record = try #require(
            RecordHash.record(
                from: values(["id_": "x", "text": "t", "metadata": "{broken", "created_at": "soon", "pinned": "True"])))
        #expect(record.metadata.isEmpty && record.pinned && record.memoryType == .message && record.accessCount == 0)
        #expect(RecordHash.record(from: values(["id_": "x"])) == nil)
        #expect(RecordHash.record(from: values([:])) == nil)
    }

    @Test(arguments: [
        (0, "0"), (1, "0.000001"), (-1, "-0.000001"), (1_500_000, "1.5"), (-1_500_000, "-1.5"),
        (1_732_341_234_123_457, "1732341234.123457"),
        (-62_135_596_800_000_000, "-62135596800"), (253_402_300_799_999_999, "253402300799.999999"),
    ])
    func `dates are digits`(micros: Int, text: String) throws {
        let date = try #require(Timestamp(microseconds: Int64(micros)))
        #expect(RedisDate.text(date) == text)
        #expect(RedisDate.timestamp(text) == date)
    }

    @Test func `dates are read from other spellings`() {
        #expect(RedisDate.timestamp("1.7323412341234567e9")?.microseconds == 1_732_341_234_123_457)
        #expect(RedisDate.timestamp("1732341234.1234567")?.microseconds == 1_732_341_234_123_457)
        #expect(RedisDate.timestamp("1970-01-01T00:00:01Z")?.microseconds == 1_000_000)
        for text in ["", "-", ".", "nan", "inf", "1e300", "tomorrow", "99999999999999999999"] {
            #expect(RedisDate.timestamp(text) == nil)
        }
    }

    @Test func `vectors are little endian`() {
        #expect(RecordHash.bytes(of: [1, -2]) == [0, 0, 128, 63, 0, 0, 0, 192])
    }
}
