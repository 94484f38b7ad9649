import AgentMemory
import ArgumentParser
import BackendLoading
import HTTPClient
import Logging
import Migrations
import PostgresBackend
import Settings

/// `agent-memory migrate`: updates the schema of DATABASE_URL to the version that this binary
/// needs.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Shows or applies the migrations of the Postgres database that DATABASE_URL names.",
        subcommands: [Up.self, Status.self, DryRun.self], defaultSubcommand: Status.self)

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "up",
            abstract: "Applies what is pending; with MEMORY_VECTOR_DB_FACTORY=pgvector makes the vector index too.",
            discussion: """
                With the settings of the servers, everything is made that they need: then their database user needs no \
                right but to read and write the tables.
                """)

        func run() async throws {
            try await MigrateCommand.migrating { migrator, assembly in
                let applied = try await migrator.up()
                for name in applied { print("applied \(name)") }
                if applied.isEmpty { print("nothing to apply") }
                try await Self.prepareVectors(assembly)
            }
        }

        /// The schema is complete without it: a server whose user has the right creates the index
        /// itself.
        private static func prepareVectors(_ assembly: Assembly) async throws {
            guard try BackendRegistry.builtInName(assembly.settings.stores.factory) == "pgvector" else { return }
            let client = HTTPClient()
            do {
                try await assembly.prepareVectors(client: client)
                print("the vector index exists")
            } catch let error as MemoryError where error.code == .misconfigured {
                print("the vector index was left to the first server: \(error.messageNamingSetting)")
            } catch {
                await client.shutdown()
                throw error
            }
            await client.shutdown()
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Lists the migrations; changes nothing.")

        func run() async throws {
            try await MigrateCommand.migrating { migrator, _ in
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
            try await MigrateCommand.migrating { migrator, _ in
                let pending = try await migrator.dryRun()
                for migration in pending { print("-- \(migration.name)\n\(migration.sql)") }
                if pending.isEmpty { print("-- nothing to apply") }
            }
        }
    }

    private static func migrating(_ body: (Migrator, Assembly) async throws -> Void) async throws {
        try await Refusal.wrapping {
            let settings = try Settings.start()
            let assembly = Assembly(settings: settings, logger: Logger(label: "agent-memory"))
            try await body(try assembly.migrator(), assembly)
        }
    }
}
