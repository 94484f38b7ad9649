/// The values of one name with their labels.
public struct MetricFamily: Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// Only rises, until the server starts again.
        case counter
        /// Rises and falls.
        case gauge
        case histogram
    }

    struct Label: Sendable, Equatable {
        let name: String
        let value: String
    }

    struct Sample: Sendable, Equatable {
        /// What the name of the family is followed by.
        let suffix: String
        let labels: [Label]
        let value: Double
    }

    public let name: String
    public let help: String
    public let kind: Kind
    private(set) var samples: [Sample] = []

    /// - Parameters:
    ///   - name: letters, digits, `_` and `:`; that of a counter ends with `_total`.
    ///   - help: one sentence.
    public init(_ kind: Kind, _ name: String, _ help: String) {
        precondition(Self.isName(name) && (kind == .counter) == name.hasSuffix("_total"), "the metric \(name)")
        self.name = name
        self.help = help
        self.kind = kind
    }

    /// A gauge or counter without labels.
    public init(_ kind: Kind, _ name: String, _ help: String, value: Double) {
        self.init(kind, name, help)
        add(value)
    }

    /// Adds the value of a series.
    ///
    /// - Parameter labels: each name once; no series twice.
    public mutating func add(_ value: Double, _ labels: KeyValuePairs<String, String> = [:]) {
        precondition(kind != .histogram, "\(name) has durations")
        samples.append(Sample(suffix: "", labels: Self.labels(labels), value: value))
    }

    /// Adds a count as the value of a series.
    public mutating func add(_ value: Int, _ labels: KeyValuePairs<String, String> = [:]) {
        add(Double(value), labels)
    }

    /// Adds the buckets, the sum and the count of a series of a histogram.
    ///
    /// - Parameter labels: as in ``add(_:_:)-(Double,_)``, without `le`.
    public mutating func add(_ durations: DurationHistogram, _ labels: KeyValuePairs<String, String> = [:]) {
        precondition(kind == .histogram, "\(name) has no durations")
        let labels = Self.labels(labels)
        func bucket(_ bound: Double, _ count: Int) -> Sample {
            Sample(
                suffix: "_bucket", labels: labels + [Label(name: "le", value: MetricText.number(bound))],
                value: Double(count))
        }
        samples += zip(durations.bounds, durations.cumulative).map { bucket($0, $1) }
        samples.append(bucket(.infinity, durations.count))
        samples.append(Sample(suffix: "_sum", labels: labels, value: durations.seconds))
        samples.append(Sample(suffix: "_count", labels: labels, value: Double(durations.count)))
    }

    private static func labels(_ pairs: KeyValuePairs<String, String>) -> [Label] {
        pairs.map { name, value in
            precondition(isName(name) && !name.contains(":") && !name.hasPrefix("__"), "the label \(name)")
            return Label(name: name, value: value)
        }
    }

    private static func isName(_ text: String) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
                UInt8(ascii: ":"):
                true
            default: false
            }
        }
        guard let first = text.utf8.first, isLetter(first) else { return false }
        return text.utf8.allSatisfy { isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
