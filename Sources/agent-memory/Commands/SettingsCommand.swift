import ArgumentParser

/// `agent-memory settings`: the settings as the server reads them, for scripts.
struct SettingsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings", abstract: "Prints settings as the server reads them.", subcommands: [Get.self])

    struct Get: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "get",
            abstract: "Prints one setting, secrets masked, as `agent-memory api --print-config` does.",
            discussion: "Other settings may still be missing or wrong; those stop the server, not this command.")

        @Flag(help: "Print nothing if neither the environment nor .env has a value.")
        var given = false

        @Argument(help: "Its name, such as PORT.")
        var name: String

        func run() throws {
            do throws(SettingsError) {
                let sources = try SettingSources()
                if let value = try Settings.value(of: name, in: sources, onlyGiven: given) { print(value) }
            } catch {
                throw Refusal(error.description)
            }
        }
    }
}

extension Settings {
    /// What is in force under a name, as it may be shown.
    ///
    /// - Parameter onlyGiven: whether a default counts as no value.
    /// - Returns: `nil` for no value.
    /// - Throws: ``SettingsError`` if there is no such setting, or its value cannot be used.
    static func value(
        of name: String, in sources: SettingSources, onlyGiven: Bool
    ) throws(SettingsError) -> String? {
        var reader = SettingsReader(sources.variables, unreadable: sources.unreadable)
        _ = Settings(sources, &reader)
        if SettingNames.ofScripts.contains(name) { _ = reader.optionalString(name) }
        guard reader.names.contains(name) else { throw SettingsError(problems: ["there is no setting \(name)"]) }
        let faults = reader.faults.filter { $0.name == name }.map(\.text)
        guard faults.isEmpty else { throw SettingsError(problems: faults) }
        if onlyGiven, !reader.isGiven(name) { return nil }
        return reader.inForce.last { $0.name == name }?.value
    }
}
