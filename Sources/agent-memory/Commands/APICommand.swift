import AgentMemory
import ArgumentParser
import Logging
import Settings

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
            settings = try Settings.start(overriding: [("HOST", host), ("PORT", port.map(String.init))])
        } catch {
            throw Refusal(error.description)
        }
        if printConfig {
            print(settings.description)
            return
        }
        try await Server(settings: settings, logger: Logger(label: "agent-memory")).run()
    }
}

extension Settings {
    /// Reads the settings of a command, starts the log, and logs warnings about values that may be
    /// mistakes.
    ///
    /// - Parameter options: values of the command line.
    /// - Throws: ``SettingsError`` with every problem found.
    static func start(
        overriding options: [(name: String, value: String?)] = []
    ) throws(SettingsError) -> Settings {
        let settings = try load(overriding: options)
        LoggingSystem.bootstrap(level: settings.server.logLevel)
        let logger = Logger(label: "agent-memory")
        for warning in settings.warnings { logger.warning("\(warning)") }
        return settings
    }
}

extension LoggingSystem {
    /// Logs go to standard error: standard output is for the result of a command.
    static func bootstrap(level: Logger.Level) {
        bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
    }
}
