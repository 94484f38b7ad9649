import ArgumentParser

struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "migrate", abstract: "Migrates the Postgres schema.")

    func run() async throws {
        throw Refusal("not yet")
    }
}
