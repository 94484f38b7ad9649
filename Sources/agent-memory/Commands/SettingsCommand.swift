import ArgumentParser
import Settings

/// `agent-memory settings`: the settings as the server reads them, for scripts.
struct SettingsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings", abstract: "Prints settings as the server reads them.", subcommands: [Get.self])

    @Flag(help: "Print the documentation of all settings in Markdown.")
    var markdown = false

    func run() throws {
        guard markdown else { throw CleanExit.helpRequest(self) }
        print(SettingsDocument.markdown, terminator: "")
    }

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
