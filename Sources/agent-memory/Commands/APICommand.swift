import AgentMemory
import ArgumentParser
import Logging

/// `agent-memory api`: serves until SIGTERM or SIGINT.
struct APICommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "api", abstract: "Serves the REST API (the default).")

    @Option(help: "The address to listen on; overrides HOST.")
    var host: String?

    @Option(help: "The port to listen on; overrides PORT.")
    var port: Int?

    @Flag(help: "Print the settings in force, secrets masked, and exit.")
    var printConfig = false

    func run() async throws {
        let settings: Settings
        do {
            settings = try Settings.load(overriding: [("HOST", host), ("PORT", port.map(String.init))])
        } catch {
            throw Refusal(error.description)
        }
        if printConfig {
            print(settings.description)
            return
        }
        LoggingSystem.bootstrap(level: settings.logLevel)
        try await Server(settings: settings, logger: Logger(label: "agent-memory")).run()
    }
}

extension LoggingSystem {
    /// Logs go to standard error: standard output is for what a command was asked to print.
    static func bootstrap(level: Logger.Level) {
        bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
    }
}
