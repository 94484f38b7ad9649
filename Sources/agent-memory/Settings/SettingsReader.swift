/// What is wrong with the settings, all of it at once.
struct SettingsError: Error, CustomStringConvertible {
    let problems: [String]
    var description: String { problems.joined(separator: "\n") }
}

/// Reads settings by their environment names, notes what is wrong, and remembers what is in force.
struct SettingsReader {
    private let variables: [String: String]
    private(set) var problems: [String] = []
    /// Name and value of every setting read, in order; secrets are masked.
    private(set) var inForce: [(name: String, value: String)] = []

    init(_ variables: [String: String]) {
        self.variables = variables
    }

    /// An empty value counts as not set, as in compose files that pass a variable on.
    private func raw(_ name: String) -> String? {
        variables[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    mutating func string(_ name: String, default fallback: String) -> String {
        let value = raw(name) ?? fallback
        inForce.append((name, value))
        return value
    }

    mutating func optionalString(_ name: String) -> String? {
        let value = raw(name)
        inForce.append((name, value ?? ""))
        return value
    }

    mutating func path(_ name: String, default fallback: String?) -> String? {
        let value = raw(name) ?? fallback
        inForce.append((name, value ?? ""))
        return value
    }

    /// A value that is never shown.
    mutating func secret(_ name: String) -> String? {
        let value = raw(name)
        inForce.append((name, value == nil ? "" : "***"))
        return value
    }

    /// A URL or connection string, shown without its password and its parameters' secrets.
    mutating func url(_ name: String, default fallback: String?) -> String? {
        let value = raw(name) ?? fallback
        inForce.append((name, value.map(maskingCredentials) ?? ""))
        return value
    }

    mutating func int(_ name: String, in range: ClosedRange<Int>, default fallback: Int) -> Int {
        optionalInt(name, in: range, shown: String(fallback)) ?? fallback
    }

    mutating func optionalInt(_ name: String, in range: ClosedRange<Int>, shown fallback: String = "") -> Int? {
        guard let text = raw(name) else {
            inForce.append((name, fallback))
            return nil
        }
        guard let value = Int(text), range.contains(value) else {
            problem(name, text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        inForce.append((name, text))
        return value
    }

    mutating func seconds(_ name: String, in range: ClosedRange<Double>, default fallback: Double) -> Double {
        number(name, in: range, default: fallback, of: "a number of seconds")
    }

    mutating func number(
        _ name: String, in range: ClosedRange<Double>, default fallback: Double, of what: String = "a number"
    ) -> Double {
        guard let text = raw(name) else {
            inForce.append((name, String(fallback)))
            return fallback
        }
        guard let value = Double(text), range.contains(value) else {
            problem(name, text, "\(what) from \(range.lowerBound) to \(range.upperBound)")
            return fallback
        }
        inForce.append((name, text))
        return value
    }

    mutating func bool(_ name: String, default fallback: Bool) -> Bool {
        guard let text = raw(name) else {
            inForce.append((name, String(fallback)))
            return fallback
        }
        switch text.lowercased() {
        case "true", "t", "yes", "y", "on", "1":
            inForce.append((name, "true"))
            return true
        case "false", "f", "no", "n", "off", "0":
            inForce.append((name, "false"))
            return false
        default:
            problem(name, text, "true or false")
            return fallback
        }
    }

    /// One of `choices`, in any case.
    mutating func choice<Value: Equatable>(
        _ name: String, _ choices: KeyValuePairs<String, Value>, default fallback: Value
    ) -> Value {
        guard let text = raw(name) else {
            inForce.append((name, choices.first { $0.value == fallback }?.key ?? ""))
            return fallback
        }
        guard let choice = choices.first(where: { $0.key.lowercased() == text.lowercased() }) else {
            problem(name, text, "one of \(choices.map(\.key).joined(separator: ", "))")
            return fallback
        }
        inForce.append((name, choice.key))
        return choice.value
    }

    mutating func problem(_ name: String, _ value: String, _ allowed: String) {
        problems.append("\(name)=\(value): not allowed; it must be \(allowed)")
    }

    /// Notes a problem that is not about one value's form.
    mutating func problem(_ text: String) {
        problems.append(text)
    }
}
