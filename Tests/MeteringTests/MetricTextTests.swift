import TestSupport
import Testing

@testable import Metering

@Suite struct MetricTextTests {
    @Test func `counters and gauges are written as Prometheus reads them`() {
        var calls = MetricFamily(.counter, "calls_total", "Calls by model.")
        calls.add(3, ["model": "a", "task": "x"])
        calls.add(0, ["model": "b", "task": "x"])
        let up = MetricFamily(.gauge, "up", "Whether it is up.", value: 0.25)
        #expect(
            MetricText.text([calls, up, MetricFamily(.gauge, "nothing", "Has no value.")]) == """
                # HELP calls_total Calls by model.
                # TYPE calls_total counter
                calls_total{model="a",task="x"} 3
                calls_total{model="b",task="x"} 0
                # HELP up Whether it is up.
                # TYPE up gauge
                up 0.25

                """)
        #expect(MetricText.text([]) == "")
    }

    @Test(arguments: [
        ("plain", "plain"), ("a\\b", #"a\\b"#), ("a\"b", #"a\"b"#), ("a\nb", #"a\nb"#), ("\\\n\"", #"\\\n\""#),
        ("\r\n", "\r\\n"), ("é \u{1F375} {},=", "é \u{1F375} {},="), ("", ""), ("\\n", #"\\n"#),
    ])
    func `values of labels come back as they were`(_ value: String, _ written: String) throws {
        var family = MetricFamily(.gauge, "g", "G.")
        family.add(1, ["label": value])
        let text = MetricText.text([family])
        #expect(text.contains("g{label=\"\(written)\"} 1\n"))
        // Compared by scalars: a line break of two is one character.
        let read = try MetricPage(parsing: text).series("g").first?.labels["label"]
        #expect(read.map { Array($0.unicodeScalars) } == Array(value.unicodeScalars))
    }

    @Test func `a help of two lines stays on one`() throws {
        let family = MetricFamily(.gauge, "g", "a \"b\"\nc \\ d", value: 1)
        #expect(MetricText.text([family]).hasPrefix("# HELP g a \"b\"\\nc \\\\ d\n# TYPE"))
        #expect(try MetricPage(parsing: MetricText.text([family])).helps["g"] == "a \"b\"\nc \\ d")
    }

    @Test(arguments: [
        (0, "0"), (-0.0, "0"), (1, "1"), (-3, "-3"), (0.005, "0.005"), (2.5, "2.5"), (1e-7, "1e-07"),
        (9_007_199_254_740_991, "9007199254740991"), (1e300, "1e+300"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
        (.nan, "NaN"), (1_767_323_045.25, "1767323045.25"),
    ])
    func `numbers are those that Go reads`(_ number: Double, _ text: String) {
        #expect(MetricText.number(number) == text)
    }

    @Test func `buckets are cumulative and end with all`() throws {
        var durations = DurationHistogram([0.1, 1, 2.5])
        for milliseconds in [50, 100, 101, 1000, 2501, 60_000] { durations.record(.milliseconds(milliseconds)) }
        var family = MetricFamily(.histogram, "call_duration_seconds", "Time of calls.")
        family.add(durations, ["model": "a"])
        let text = MetricText.text([family])
        #expect(
            text == """
                # HELP call_duration_seconds Time of calls.
                # TYPE call_duration_seconds histogram
                call_duration_seconds_bucket{model="a",le="0.1"} 2
                call_duration_seconds_bucket{model="a",le="1"} 4
                call_duration_seconds_bucket{model="a",le="2.5"} 4
                call_duration_seconds_bucket{model="a",le="+Inf"} 6
                call_duration_seconds_sum{model="a"} \(MetricText.number(durations.seconds))
                call_duration_seconds_count{model="a"} 6

                """)
        #expect(abs(durations.seconds - 63.752) < 1e-9)
        _ = try MetricPage(parsing: text)
    }

    /// A bound belongs to its bucket, also where its number is not exact.
    @Test func `a duration of a bound is in its bucket`() {
        for bounds in [DurationHistogram.boundsOfRequests, DurationHistogram.boundsOfCalls] {
            #expect(bounds == bounds.sorted() && Set(bounds).count == bounds.count)
            for (position, bound) in bounds.enumerated() {
                var durations = DurationHistogram(bounds)
                durations.record(.microseconds(Int64((bound * 1e6).rounded())))
                #expect(durations.cumulative.firstIndex(of: 1) == position)
                durations.record(.microseconds(Int64((bound * 1e6).rounded()) + 1))
                #expect(durations.cumulative[position] == 1 && durations.count == 2)
            }
        }
    }

    @Test func `calls are counted with their failures, and those that were given up are none`() async throws {
        struct Failure: Error {}
        let meter = CallMeter()
        #expect(try await meter.measure { meter.counts.inWork } == 1)
        await #expect(throws: Failure.self) { try await meter.measure { throw Failure() } }
        await #expect(throws: CancellationError.self) { try await meter.measure { throw CancellationError() } }
        #expect(meter.counts.durations.count == 3 && meter.counts.failures == 1 && meter.counts.inWork == 0)
    }

    @Test func `the process has memory and a time`() throws {
        #if os(Linux)
            #expect(try #require(ProcessMeasures.residentBytes()) > 1 << 20)
        #endif
        #expect(ProcessMeasures.now() > 1_700_000_000)
    }

    /// The reader of the other tests finds what it is there to find.
    @Test(arguments: [
        "a 1\n", "# TYPE a gauge\na 1\n", "# HELP a A.\na 1\n", "# HELP a A.\n# TYPE a gauge\na 1",
        "# HELP a A.\n# TYPE a gauge\nb 1\n", "# HELP a A.\n# TYPE a gauge\na 1\na 1\n",
        "# HELP a A.\n# TYPE a gauge\na{b=\"c} 1\n", "# HELP a A.\n# TYPE a gauge\na{b=\"\\x\"} 1\n",
        "# HELP a A.\n# TYPE a gauge\na inf\n", "# HELP a A.\n# TYPE a gauge\na 1\n# HELP a A.\n# TYPE a gauge\n",
        "# HELP a A.\n# TYPE a other\na 1\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
    ])
    func `what is not a page is refused`(_ text: String) {
        #expect(throws: MetricPage.Fault.self) { try MetricPage(parsing: text) }
    }
}
