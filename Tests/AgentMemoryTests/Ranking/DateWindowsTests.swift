@testable import AgentMemory
import Testing

struct DateWindowsTests {
    @Test(arguments: [
        ("What happened on 7 May 2023?", "2023-05-06", "2023-05-10"),
        ("the 7th of May, 2023", "2023-05-06", "2023-05-10"),
        ("May 7, 2023 at noon", "2023-05-06", "2023-05-10"),
        ("on 2023-05-07", "2023-05-06", "2023-05-10"),
        ("12 Sept 2022", "2022-09-11", "2022-09-15"),
        ("in February 2024", "2024-02-01", "2024-02-29"),
        ("since 2021", "2021-01-01", "2021-12-31"),
        ("1 January 2023", "2022-12-31", "2023-01-04"),
        ("JULY 2020", "2020-07-01", "2020-07-31"),
    ])
    func `a span is found from its first to its last day`(query: String, first: String, last: String) throws {
        let windows = DateWindows(in: query)
        let start = try #require(Timestamp(parsing: "\(first)T00:00:00Z"))
        let end = try #require(Timestamp(parsing: "\(last)T23:59:59.999999Z"))
        #expect(windows.windows.count == 1)
        #expect(windows.contains(start) && windows.contains(end))
        #expect(!windows.contains(start.advanced(bySeconds: -1)) && !windows.contains(end.advanced(bySeconds: 1)))
    }

    @Test(arguments: [
        ("in June", "1999-06-30T12:00:00Z", true), ("in June", "1999-07-01T00:00:00Z", false),
        ("on June 3", "2001-06-02T00:00:00Z", true), ("on 3 June", "2020-06-07T00:00:00Z", false),
        ("on 31 December", "2021-01-02T08:00:00Z", true), ("on 29 February", "2023-03-01T00:00:00Z", false),
        ("on 29 February", "2024-03-01T00:00:00Z", true), ("He said May would come", "2020-05-05T00:00:00Z", true),
    ])
    func `a span without a year means any year`(query: String, date: String, isInside: Bool) throws {
        #expect(DateWindows(in: query).contains(try #require(Timestamp(parsing: date))) == isInside)
    }

    @Test(arguments: [
        "may I ask", "you may", "31 people", "room 1999", "in 1850", "30 February 2023", "2023-13-07 is 7", "",
        "Mayor 5",
        "Jan is a friend", "20231",
    ])
    func `what names no date opens no span`(query: String) {
        let windows = DateWindows(in: query).windows
        // Of a date that there is not, the year is left.
        #expect(windows.isEmpty || query.contains("2023"), "\(windows)")
    }

    @Test func `several dates are all meant`() throws {
        let windows = DateWindows(in: "Between March 2021 and 5 May 2022 or in 2024")
        #expect(windows.windows.count == 3)
    }

    @Test func `long texts of digits and marks take no time`() {
        #expect(DateWindows(in: String(repeating: "1 May, ", count: 2000)).windows.count == 2000)
        #expect(DateWindows(in: String(repeating: "9", count: 100_000)).isEmpty)
    }
}
