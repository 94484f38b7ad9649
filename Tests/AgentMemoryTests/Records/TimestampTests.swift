import AgentMemory
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"), ("2024-01-01T00:00:00z", "2024-01-01T00:00:00Z"),
        ("2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00Z"), ("2024-01-01T02:00:00+0200", "2024-01-01T00:00:00Z"),
        ("2023-12-31T19:30:00-04:30", "2024-01-01T00:00:00Z"), ("2024-01-01T00:00:00", "2024-01-01T00:00:00Z"),
        ("2024-01-01 00:00:00", "2024-01-01T00:00:00Z"), ("2024-01-01", "2024-01-01T00:00:00Z"),
        ("2024-01-01T00:00", "2024-01-01T00:00:00Z"), ("2024-01-01T00:00:00.123Z", "2024-01-01T00:00:00.123000Z"),
        ("2024-01-01T00:00:00.123456789Z", "2024-01-01T00:00:00.123456Z"), ("1704067200", "2024-01-01T00:00:00Z"),
        ("1704067200000", "2024-01-01T00:00:00Z"), ("1704067200.5", "2024-01-01T00:00:00.500000Z"),
        ("-1", "1969-12-31T23:59:59Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"), ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("1960-05-05T00:00:00.000001Z", "1960-05-05T00:00:00.000001Z"),
    ])
    func reads(_ text: String, _ expected: String) {
        #expect(Timestamp(parsing: text)?.iso8601 == expected)
    }

    @Test(arguments: [
        "", "yesterday", "2024-02-30T00:00:00Z", "2023-02-29", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z",
        "2024-01-01T00:60:00Z",
        "2024-13-01", "2024-00-01", "0000-01-01", "2024-1-1", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+",
        "2024-01-01T", "--1", "1.2.3",
        "2024-01-01T00:00:00ZZ", "9999-12-31T23:59:59-01:00", "1e5",
    ])
    func refuses(_ text: String) {
        #expect(Timestamp(parsing: text) == nil)
    }

    @Test func `doubles of seconds keep microseconds`() throws {
        for text in [
            "1698-01-01T00:00:00.000001Z", "2241-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z",
            "2026-06-15T12:34:56.789012Z",
        ] {
            let date = try #require(Timestamp(parsing: text))
            #expect(Timestamp(secondsSinceEpoch: date.secondsSinceEpoch) == date)
        }
    }

    @Test func `is held within its years`() {
        #expect(Timestamp(microseconds: Timestamp.latest.microseconds + 1) == nil)
        #expect(Timestamp(secondsSinceEpoch: .infinity) == nil)
        #expect(Timestamp.latest.advanced(bySeconds: 10) == .latest)
        for date in [Timestamp.earliest, .latest, Timestamp(parsing: "2026-01-01")] {
            #expect(date?.advanced(bySeconds: .max) == .latest)
            #expect(date?.advanced(bySeconds: .min) == .earliest)
        }
        #expect(Timestamp.earliest.days(until: .earliest.advanced(bySeconds: 86_400)) == 1)
        #expect(Timestamp.latest.days(until: .earliest) == 0)
    }
}
