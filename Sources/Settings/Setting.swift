/// One setting: its declaration, and how its value is read.
///
/// The factories below are the existing kinds of settings. Each records what it accepts in the
/// declaration, so that the documentation agrees with the code.
public struct Setting<Value: Sendable>: Sendable {
    public let declaration: SettingDeclaration
    let read: @Sendable (inout SettingsReader) -> Value

    fileprivate init(
        _ name: String, _ values: String, default fallback: String, _ summary: String,
        visibility: SettingVisibility = .plain, read: @escaping @Sendable (inout SettingsReader) -> Value
    ) {
        declaration = SettingDeclaration(
            name: name, values: values, fallback: fallback, visibility: visibility, summary: summary)
        self.read = read
    }
}

/// The documentation of a setting.
public struct SettingDeclaration: Sendable {
    /// The environment variable's name.
    public let name: String
    /// The kind of value with its unit, range or choices, such as "seconds, 0.1 to 600".
    public let values: String
    /// The default in Markdown; empty for none.
    public let fallback: String
    public let visibility: SettingVisibility
    /// One line of Markdown.
    public let summary: String
}

/// How much of a value may be shown.
public enum SettingVisibility: Sendable {
    case plain
    /// A URL or connection string, whose secrets are masked.
    case address
    case secret
}

/// The unit of a number.
enum SettingUnit: String {
    case none = "whole number"
    case bytes, seconds
}

private func code(_ text: String?) -> String { text.map { $0.isEmpty ? "" : "`\($0)`" } ?? "" }

/// A number without needless decimals: 10, not 10.0.
private func plain(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? String(number)
}

// MARK: Texts

extension Setting where Value == String {
    /// A word, not a URL.
    ///
    /// - Parameter problem: what is wrong with a value, or `nil`.
    static func word(
        _ name: String, default fallback: String, _ summary: String,
        problem: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> Setting {
        Setting(name, "text", default: code(fallback), summary) { reader in
            let value = reader.string(name, default: fallback)
            if let text = problem(value) { reader.problem(name, text) }
            return value
        }
    }

    /// A word whose default depends on other variables.
    ///
    /// - Parameters:
    ///   - fallback: the default if none of the other variables is set.
    ///   - derived: the default that is made from other variables.
    static func word(
        _ name: String, default fallback: String,
        from derived: @escaping @Sendable (_ variables: [String: String]) -> String?, _ summary: String
    ) -> Setting {
        Setting(name, "text", default: code(fallback), summary) { reader in
            reader.string(name, default: derived(reader.variables) ?? fallback)
        }
    }

    static func address(_ name: String, default fallback: String, _ summary: String) -> Setting {
        Setting(name, "URL", default: code(fallback), summary, visibility: .address) { reader in
            reader.url(name, default: fallback) ?? fallback
        }
    }
}

extension Setting where Value == String? {
    /// A word, not a URL.
    static func word(_ name: String, _ summary: String) -> Setting {
        Setting(name, "text", default: "", summary) { $0.optionalString(name) }
    }

    /// A word whose default depends on other variables.
    ///
    /// - Parameters:
    ///   - derived: the default that is made from other variables.
    ///   - words: describes it.
    static func word(
        _ name: String, from derived: @escaping @Sendable (_ variables: [String: String]) -> String?,
        inWords words: String, _ summary: String
    ) -> Setting {
        Setting(name, "text", default: words, summary) { reader in
            reader.path(name, default: derived(reader.variables))
        }
    }

    /// A path whose default depends on other variables.
    static func path(
        _ name: String, default fallback: String,
        from derived: @escaping @Sendable (_ variables: [String: String]) -> String?, _ summary: String
    ) -> Setting {
        Setting(name, "path", default: code(fallback), summary) { reader in
            reader.path(name, default: derived(reader.variables))
        }
    }

    /// A URL or a libpq connection string.
    static func address(_ name: String, values: String = "URL", _ summary: String) -> Setting {
        Setting(name, values, default: "", summary, visibility: .address) { $0.url(name, default: nil) }
    }

    static func secret(_ name: String, _ summary: String) -> Setting {
        Setting(name, "secret, never shown", default: "", summary, visibility: .secret) { $0.secret(name) }
    }

    /// A word that becomes part of another format.
    ///
    /// - Parameter what: the kind of word, for the documentation and for problems.
    static func token(
        _ name: String, _ what: String, of characters: @escaping @Sendable (Unicode.Scalar) -> Bool, _ summary: String
    ) -> Setting {
        Setting(name, what, default: "", summary) { $0.token(name, what, of: characters) }
    }
}

extension Setting where Value == [String] {
    /// Existing folders with colons between them.
    static func folders(_ name: String, _ summary: String) -> Setting {
        Setting(name, "folders with colons between them", default: "", summary) { reader in
            reader.folders(name, exist: SettingSources.isFolder)
        }
    }
}

extension Setting where Value == [String] {
    /// Some of several words, with commas between them or as a list in JSON.
    static func names(
        _ name: String, _ choices: [String], default fallback: [String], _ summary: String
    ) -> Setting {
        Setting(
            name, "some of " + choices.map { code($0) }.joined(separator: ", ") + ", with commas between them",
            default: code(fallback.joined(separator: ",")), summary
        ) { reader in
            reader.names(name, choices, default: fallback)
        }
    }

    /// Namespaces of records and sessions; none if it is not set.
    static func namespaces(_ name: String, _ summary: String) -> Setting {
        Setting(name, "namespaces with commas between them, or a list in JSON", default: "", summary) { reader in
            reader.namespaces(name)
        }
    }
}

// MARK: Numbers and choices

extension Setting where Value == Int {
    /// - Parameter words: describes a default that depends on the machine.
    static func int(
        _ name: String, in range: ClosedRange<Int>, unit: SettingUnit = .none, default fallback: Int,
        inWords words: String? = nil, _ summary: String
    ) -> Setting {
        Setting(
            name, "\(unit.rawValue), \(range.lowerBound) to \(range.upperBound)", default: words ?? "\(fallback)",
            summary
        ) { reader in
            reader.int(name, in: range, default: fallback)
        }
    }
}

extension Setting where Value == Int? {
    /// - Parameter words: describes the source of the value if it is not set.
    static func int(
        _ name: String, in range: ClosedRange<Int>, defaultInWords words: String, _ summary: String
    ) -> Setting {
        Setting(
            name, "\(SettingUnit.none.rawValue), \(range.lowerBound) to \(range.upperBound)", default: words, summary
        ) { reader in
            reader.optionalInt(name, in: range, shown: "(\(words))")
        }
    }
}

extension Setting where Value == Double {
    static func number(
        _ name: String, in range: ClosedRange<Double>, default fallback: Double, _ summary: String
    ) -> Setting {
        Setting(
            name, "number, \(plain(range.lowerBound)) to \(plain(range.upperBound))", default: plain(fallback), summary
        ) { reader in
            reader.number(name, in: range, default: fallback)
        }
    }
}

extension Setting where Value == Duration {
    static func seconds(
        _ name: String, in range: ClosedRange<Double>, default fallback: Double, _ summary: String
    ) -> Setting {
        Setting(
            name, "\(SettingUnit.seconds.rawValue), \(plain(range.lowerBound)) to \(plain(range.upperBound))",
            default: plain(fallback), summary
        ) { reader in
            .seconds(reader.seconds(name, in: range, default: fallback))
        }
    }
}

extension Setting where Value == Bool {
    static func bool(_ name: String, default fallback: Bool, _ summary: String) -> Setting {
        Setting(name, "`true`, `false`", default: code("\(fallback)"), summary) { reader in
            reader.bool(name, default: fallback)
        }
    }
}

extension Setting where Value: Equatable {
    /// One of several words, in any case.
    ///
    /// - Parameter allowed: how a problem describes the permitted values; by default the choices.
    static func choice(
        _ name: String, _ choices: KeyValuePairs<String, Value>, default fallback: Value,
        otherwise allowed: String? = nil, _ summary: String
    ) -> Setting {
        Setting(
            name, choices.map { code($0.key) }.joined(separator: ", "),
            default: code(choices.first { $0.value == fallback }?.key), summary
        ) { reader in
            reader.choice(name, choices, default: fallback, otherwise: allowed)
        }
    }
}
