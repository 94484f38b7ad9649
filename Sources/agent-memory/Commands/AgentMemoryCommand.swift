import ArgumentParser

@main
struct AgentMemoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent-memory",
        abstract:
            "A memory server for AI agents: the REST API of redis/agent-memory-server on Redis, Postgres, or a backend of your own.",
        discussion:
            "Settings are read from the environment and from a .env file; `agent-memory api --print-config` shows what is in force.",
        version: Version.text,
        subcommands: [
            APICommand.self, ConformanceCommand.self, MigrateCommand.self, JobsCommand.self, EmbedCommand.self,
            BackendCommand.self, ReembedCommand.self, SettingsCommand.self, TokenCommand.self,
            ExportCommand.self, ImportCommand.self, SearchCommand.self, DeleteCommand.self, VersionCommand.self,
        ],
        defaultSubcommand: APICommand.self)
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Prints the version.")

    func run() {
        print(Version.text)
    }
}

enum Version {
    static let number = "0.1.0"
    /// The version of redis/agent-memory-server whose API this server has.
    static let referenceAPI = "0.15.2"
    static let text = "agent-memory \(number) (API of redis/agent-memory-server \(referenceAPI))"
}
