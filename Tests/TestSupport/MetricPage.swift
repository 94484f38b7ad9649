/// A page in the text format 0.0.4 of Prometheus, read as strictly as the format is written down.
public struct MetricPage: Sendable {
    public struct Fault: Error, CustomStringConvertible {
        public let description: String
    }

    public struct Series: Hashable, Sendable {
        public let name: String
        public let labels: [String: String]
    }

    public private(set) var values: [Series: Double] = [:]
    /// Of families, by name: counter, gauge or histogram.
    public private(set) var kinds: [String: String] = [:]
    public private(set) var helps: [String: String] = [:]
    /// In the order of the page.
    private var order: [Series] = []

    /// - Throws: ``Fault`` for a line that the format does not have, a value without `HELP` and
    ///   `TYPE` before it, a family or series that comes twice, and buckets that do not add up.
    public init(parsing text: String) throws {
        guard text.isEmpty || text.hasSuffix("\n") else { throw Fault(description: "no line feed at the end") }
        var family: String?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            var reader = LineReader(line)
            if reader.skip("# HELP ") {
                let name = try reader.name()
                guard reader.skip(" "), helps[name] == nil else { throw Fault(description: "HELP: \(line)") }
                helps[name] = try reader.text(until: nil)
                family = nil
            } else if reader.skip("# TYPE ") {
                let name = try reader.name()
                guard reader.skip(" "), helps[name] != nil, kinds[name] == nil else {
                    throw Fault(description: "TYPE: \(line)")
                }
                let kind = String(reader.rest)
                guard ["counter", "gauge", "histogram"].contains(kind) else {
                    throw Fault(description: "TYPE: \(line)")
                }
                kinds[name] = kind
                family = name
            } else {
                guard let family else { throw Fault(description: "a value without HELP and TYPE: \(line)") }
                try addValue(&reader, of: family)
            }
        }
        for (name, kind) in kinds where kind == "histogram" { try checkBuckets(name) }
    }

    /// The value of a series.
    public subscript(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        values[Series(name: name, labels: labels)]
    }

    /// The series with this name.
    public func series(_ name: String) -> [Series] { order.filter { $0.name == name } }

    /// The sum of the values of all series with this name and these labels.
    public func sum(_ name: String, _ labels: [String: String] = [:]) -> Double {
        series(name).filter { series in labels.allSatisfy { series.labels[$0.key] == $0.value } }
            .reduce(0) { $0 + (values[$1] ?? 0) }
    }

    private mutating func addValue(_ reader: inout LineReader, of family: String) throws {
        let name = try reader.name()
        let suffixes = kinds[family] == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
        guard suffixes.contains(where: { family + $0 == name }) else {
            throw Fault(description: "\(name) is among those of \(family)")
        }
        var labels: [String: String] = [:]
        if reader.skip("{") {
            repeat {
                let label = try reader.name()
                guard !label.contains(":"), reader.skip("=\""), labels[label] == nil else {
                    throw Fault(description: "the label \(label) of \(name)")
                }
                labels[label] = try reader.text(until: "\"")
            } while reader.skip(",")
            guard reader.skip("}") else { throw Fault(description: "the labels of \(name)") }
        }
        guard reader.skip(" ") else { throw Fault(description: "no blank after \(name)") }
        let series = Series(name: name, labels: labels)
        guard values[series] == nil else { throw Fault(description: "\(series) comes twice") }
        values[series] = try Self.number(reader.rest)
        order.append(series)
    }

    private static func number(_ text: Substring) throws -> Double {
        switch text {
        case "NaN": return .nan
        case "+Inf": return .infinity
        case "-Inf": return -.infinity
        default:
            guard text.wholeMatch(of: #/-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?/#) != nil, let value = Double(text) else {
                throw Fault(description: "the number \(text)")
            }
            return value
        }
    }

    /// Of each histogram: bounds ascend to `+Inf`, counts never fall, and the last is the count.
    private func checkBuckets(_ name: String) throws {
        var buckets: [[String: String]: [(bound: Double, count: Double)]] = [:]
        for series in series(name + "_bucket") {
            guard let bound = series.labels["le"] else { throw Fault(description: "\(series) without le") }
            let labels = series.labels.filter { $0.key != "le" }
            buckets[labels, default: []].append((try Self.number(bound[...]), values[series] ?? -1))
        }
        let counts = series(name + "_count").map(\.labels)
        guard Set(counts) == Set(buckets.keys), counts.count == buckets.count else {
            throw Fault(description: "\(name) has counts without buckets, or buckets without a count")
        }
        for (labels, list) in buckets {
            for (a, b) in zip(list, list.dropFirst()) where a.bound >= b.bound || a.count > b.count {
                throw Fault(description: "the buckets of \(name) \(labels) do not ascend")
            }
            guard list.last?.bound == .infinity, list.last?.count == self[name + "_count", labels],
                let sum = self[name + "_sum", labels], sum >= 0
            else { throw Fault(description: "the last bucket, the count or the sum of \(name) \(labels)") }
        }
    }
}

/// Reads one line from its beginning.
private struct LineReader {
    private(set) var rest: Substring

    init(_ line: Substring) {
        rest = line
    }

    mutating func skip(_ text: String) -> Bool {
        guard rest.hasPrefix(text) else { return false }
        rest = rest.dropFirst(text.count)
        return true
    }

    mutating func name() throws -> String {
        guard let match = rest.prefixMatch(of: #/[a-zA-Z_:][a-zA-Z0-9_:]*/#) else {
            throw MetricPage.Fault(description: "no name at \(rest)")
        }
        rest = rest[match.range.upperBound...]
        return String(match.output)
    }

    /// A text with its escapes resolved.
    ///
    /// - Parameter end: what ends it, which is skipped; `nil` for the end of the line.
    mutating func text(until end: Character?) throws -> String {
        var text = ""
        while let next = rest.popFirst() {
            if next == end { return text }
            guard next == "\\" else {
                text.append(next)
                continue
            }
            switch rest.popFirst() {
            case "\\": text.append("\\")
            case "n": text.append("\n")
            case "\"" where end != nil: text.append("\"")
            case let other: throw MetricPage.Fault(description: "the escape \\\(other.map(String.init) ?? "")")
            }
        }
        guard end == nil else { throw MetricPage.Fault(description: "a text without an end") }
        return text
    }
}
