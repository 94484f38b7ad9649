import AgentMemory
import ArgumentParser
import Logging
import Migrations
import PgvectorBackend

/// `agent-memory migrate`: brings the schema of DATABASE_URL to what this binary needs.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Shows or applies the migrations of the Postgres database that DATABASE_URL names.",
        subcommands: [Up.self, Status.self, DryRun.self], defaultSubcommand: Status.self)

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "up", abstract: "Applies what is pending.")

        func run() async throws {
            try await MigrateCommand.migrating { migrator in
                let applied = try await migrator.up()
                for name in applied { print("applied \(name)") }
                if applied.isEmpty { print("nothing to apply") }
            }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Lists the migrations; changes nothing.")

        func run() async throws {
            try await MigrateCommand.migrating { migrator in
                for status in try await migrator.status() {
                    print("\(status.name)  \(status.state.rawValue)\(status.appliedAt.map { " at \($0)" } ?? "")")
                }
            }
        }
    }

    struct DryRun: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "dry-run", abstract: "Prints the SQL that `up` would run; changes nothing.")

        func run() async throws {
            try await MigrateCommand.migrating { migrator in
                let pending = try await migrator.dryRun()
                for migration in pending { print("-- \(migration.name)\n\(migration.sql)") }
                if pending.isEmpty { print("-- nothing to apply") }
            }
        }
    }

    private static func migrating(_ body: (Migrator) async throws -> Void) async throws {
        try await Refusal.wrapping {
            let settings = try Settings.start()
            try await body(try Assembly(settings: settings, logger: Logger(label: "agent-memory")).migrator())
        }
    }
}
