/// The text format 0.0.4 of Prometheus.
public enum MetricText {
    /// The value of `Content-Type`.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The families with all of their values; those without one are left out.
    ///
    /// - Parameter families: each name once.
    public static func text(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families where !family.samples.isEmpty {
            text += "# HELP \(family.name) \(escaped(family.help, quotes: false))\n"
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            for sample in family.samples {
                text += family.name
                text += sample.suffix
                write(sample.labels, to: &text)
                text += " "
                text += number(sample.value)
                text += "\n"
            }
        }
        return text
    }

    private static func write(_ labels: [MetricFamily.Label], to text: inout String) {
        guard !labels.isEmpty else { return }
        for (position, label) in labels.enumerated() {
            text += position == 0 ? "{" : ","
            text += label.name
            text += "=\""
            text += escaped(label.value, quotes: true)
            text += "\""
        }
        text += "}"
    }

    /// The backslash and the line feed end nothing; in a quoted value neither does a quote.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        // Most texts stay as they are.
        let special: (UInt8) -> Bool = { byte in
            byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\"")
        }
        guard text.utf8.contains(where: special) else { return text }
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": escaped.append(contentsOf: "\\n".unicodeScalars)
            case "\"" where quotes: escaped.append(contentsOf: "\\\"".unicodeScalars)
            default: escaped.append(scalar)
            }
        }
        return String(escaped)
    }

    /// A number as Go reads it, and whole ones without decimals.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if abs(value) < 0x1p53, let whole = Int(exactly: value) { return String(whole) }
        return value.description
    }
}
