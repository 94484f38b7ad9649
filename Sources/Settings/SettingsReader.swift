import AgentMemory

/// All problems of the settings.
public struct SettingsError: Error, CustomStringConvertible {
    public let problems: [String]
    public var description: String { problems.joined(separator: "\n") }
}

/// Reads settings by their environment names, and collects the problems and the values in force.
struct SettingsReader {
    let variables: [String: String]
    private let unreadable: Set<String>
    /// Problems, with the name of the setting if they are about one.
    private(set) var faults: [(name: String?, text: String)] = []
    /// Values that may be mistakes.
    private(set) var warnings: [String] = []
    /// Every name that was read, in order.
    private(set) var names: [String] = []
    /// Name and value of every setting read, in order; secrets are masked.
    private(set) var inForce: [(name: String, value: String)] = []
    /// Settings whose value came from a file.
    private var filed: Set<String> = []

    var problems: [String] { faults.map(\.text) }

    /// - Parameter unreadable: names of variables whose value is not UTF-8.
    init(_ variables: [String: String], unreadable: Set<String> = []) {
        self.variables = variables
        self.unreadable = unreadable
    }

    /// Whether a value was given.
    func isGiven(_ name: String) -> Bool {
        unreadable.contains(name) || filed.contains(name) || variables[name].map { !$0.isEmpty } ?? false
    }

    /// An empty value counts as not set, as in compose files that pass a variable on. A value that
    /// cannot be intended is refused without being shown, because it may be another setting's.
    private mutating func raw(_ name: String) -> String? {
        names.append(name)
        if unreadable.contains(name) {
            problem(name, "the value is not UTF-8")
            return nil
        }
        guard let value = variables[name] else { return nil }
        return checked(value, of: name)
    }

    private mutating func checked(_ value: String, of name: String) -> String? {
        guard let first = value.first, let last = value.last else { return nil }
        if value.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
            problem(name, "the value has a line break or another control character")
            return nil
        }
        if first.isWhitespace || last.isWhitespace {
            problem(
                name, value.allSatisfy(\.isWhitespace) ? "the value is blank" : "the value starts or ends with a blank")
            return nil
        }
        return value
    }

    /// A value that may hold a secret: its own, or what is in the file that `NAME_FILE` names. A
    /// file keeps it out of the list of processes and of what shows a process's environment.
    private mutating func rawOrFile(_ name: String) -> String? {
        let value = raw(name)
        let other = "\(name)_FILE"
        guard let path = raw(other) else { return value }
        inForce.append((other, path))
        guard value == nil else {
            problem("\(name) and \(other) are both set; leave one of them out")
            return value
        }
        do throws(SecretFile.Failure) {
            let text = try SecretFile.read(path)
            filed.insert(name)
            return checked(text, of: name)
        } catch {
            problem(other, error.description)
            return nil
        }
    }

    mutating func string(_ name: String, default fallback: String) -> String {
        let value = word(name) ?? fallback
        inForce.append((name, value))
        return value
    }

    mutating func optionalString(_ name: String) -> String? {
        let value = word(name)
        inForce.append((name, value ?? ""))
        return value
    }

    mutating func path(_ name: String, default fallback: String?) -> String? {
        let value = word(name) ?? fallback
        inForce.append((name, value ?? ""))
        return value
    }

    /// A value that is not a URL. A URL given by mistake may contain a password, and is not shown.
    private mutating func word(_ name: String) -> String? {
        guard let value = raw(name) else { return nil }
        guard !value.contains("://") else {
            problem(name, "the value is a URL, which this setting does not accept")
            return nil
        }
        return value
    }

    /// A word that becomes part of another program's format, such as a header's name.
    ///
    /// - Parameter what: the kind of value, for the problem of one with other characters.
    mutating func token(_ name: String, _ what: String, of characters: (Unicode.Scalar) -> Bool) -> String? {
        guard let value = raw(name) else {
            inForce.append((name, ""))
            return nil
        }
        // A prefix of OpenAI's keys: a key in the wrong place.
        guard value.unicodeScalars.allSatisfy(characters), !value.hasPrefix("sk-") else {
            problem(name, "the value is not \(what)")
            return nil
        }
        inForce.append((name, value))
        return value
    }

    /// Existing folders, with colons between them.
    mutating func folders(_ name: String, exist: (String) -> Bool) -> [String] {
        guard let value = word(name) else {
            inForce.append((name, ""))
            return []
        }
        inForce.append((name, value))
        let folders = value.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        for folder in folders where !exist(folder) {
            problem(
                name, folder.isEmpty ? "there is an empty entry between its colons" : "there is no folder \(folder)")
        }
        return folders
    }

    /// A value that is never shown.
    mutating func secret(_ name: String) -> String? {
        let value = rawOrFile(name)
        inForce.append((name, value == nil ? "" : "***"))
        return value
    }

    /// A URL or connection string, shown without its secrets.
    mutating func url(_ name: String, default fallback: String?) -> String? {
        let value = rawOrFile(name) ?? fallback
        inForce.append((name, value.map(ShownAddress.of) ?? ""))
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

    /// Some of `choices`: with commas between them, or as a list in JSON.
    mutating func names(_ name: String, _ choices: [String], default fallback: [String]) -> [String] {
        guard let text = raw(name) else {
            inForce.append((name, fallback.joined(separator: ",")))
            return fallback
        }
        let list = text.hasPrefix("[") ? (try? JSONValue(parsing: text))?.stringsValue : nil
        let given = list ?? text.split(separator: ",").map { String($0).filter { $0 != " " } }
        let chosen = given.map { word in choices.first { $0.lowercased() == word.lowercased() } }
        guard !chosen.isEmpty, chosen.allSatisfy({ $0 != nil }) else {
            problem(name, text, "a list of \(choices.joined(separator: ", "))")
            return fallback
        }
        let names = chosen.compactMap(\.self)
        inForce.append((name, names.joined(separator: ",")))
        return names
    }

    /// Namespaces: with commas between them, or as a list in JSON, in which one may have a comma.
    /// As in records, blanks around one do not count.
    mutating func namespaces(_ name: String) -> [String] {
        guard let text = raw(name) else {
            inForce.append((name, ""))
            return []
        }
        inForce.append((name, text))
        var given = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if text.hasPrefix("[") {
            guard let list = (try? JSONValue(parsing: text))?.stringsValue, !list.isEmpty else {
                problem(name, "the value begins with [ and is not a list of texts in JSON")
                return []
            }
            given = list
        }
        guard given.allSatisfy({ !$0.allSatisfy(\.isWhitespace) }) else {
            problem(name, "there is an empty entry in the list")
            return []
        }
        guard let condition = try? TagCondition(field: .namespace, any: given) else {
            problem(name, "an entry is longer than 512 bytes, or has a control character")
            return []
        }
        return condition.any[0]
    }

    /// One of `choices`, in any case.
    ///
    /// - Parameter allowed: how a problem describes the permitted values; by default the choices.
    mutating func choice<Value: Equatable>(
        _ name: String, _ choices: KeyValuePairs<String, Value>, default fallback: Value,
        otherwise allowed: String? = nil
    ) -> Value {
        guard let text = raw(name) else {
            inForce.append((name, choices.first { $0.value == fallback }?.key ?? ""))
            return fallback
        }
        guard let choice = choices.first(where: { $0.key.lowercased() == text.lowercased() }) else {
            problem(name, text, allowed ?? "one of \(choices.map(\.key).joined(separator: ", "))")
            return fallback
        }
        inForce.append((name, choice.key))
        return choice.value
    }

    /// Reports a value that is not allowed; one that seems to contain a secret is not shown.
    private mutating func problem(_ name: String, _ value: String, _ allowed: String) {
        let isShown =
            value.utf8.count <= 64 && !value.contains("://") && !value.contains("@") && !value.hasPrefix("sk-")
        let reason = "not allowed; it must be \(allowed)"
        faults.append((name, isShown ? "\(name)=\(value): \(reason)" : "\(name): the value is \(reason)"))
    }

    /// Reports a problem of a setting, without its value.
    mutating func problem(_ name: String, _ text: String) {
        faults.append((name, "\(name): \(text)"))
    }

    /// Reports a problem that is not about one value's form.
    mutating func problem(_ text: String) {
        faults.append((nil, text))
    }

    mutating func warn(_ text: String) {
        warnings.append(text)
    }
}
