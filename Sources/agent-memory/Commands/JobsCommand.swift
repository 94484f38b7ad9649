import AgentMemory
import ArgumentParser
import BackendLoading
import Logging
import Settings

/// `agent-memory jobs`: commands for operators of the queue of background jobs.
struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "Lists background jobs and retries those in the dead-letter list.",
        subcommands: [List.self, Retry.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists jobs, oldest first: by default those of the dead-letter list.",
            discussion: "Columns: id, kind, state, attempts, time of enqueueing, reason of the last failure.")

        @Option(help: "dead, waiting or leased.")
        var state: ListedState = .dead

        @Option(help: "How many to show.")
        var limit = 100

        @Option(help: "How many to skip.")
        var offset = 0

        func validate() throws {
            do throws(MemoryError) {
                _ = try PageRequest(limit: limit, offset: offset)
            } catch {
                throw ValidationError("--limit or --offset: \(error.message)")
            }
        }

        func run() async throws {
            try await JobsCommand.withQueue { queue in
                let page = try await queue.list(state.state, page: try PageRequest(limit: limit, offset: offset))
                for job in page.items {
                    let fields = [
                        job.id, job.kind, job.state.rawValue, String(job.attempts), job.enqueuedAt.iso8601,
                        job.reason ?? "",
                    ]
                    print(fields.joined(separator: "\t"))
                }
                let counts = try await queue.counts()
                print(
                    "\(page.items.count) of \(page.total) shown; waiting \(counts.waiting), leased \(counts.leased), dead \(counts.dead)"
                )
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retry", abstract: "Puts jobs of the dead-letter list back into the queue.")

        @Argument(help: "Their ids.")
        var ids: [String] = []

        @Flag(help: "Every job of the dead-letter list.")
        var all = false

        func validate() throws {
            if ids.isEmpty != all { throw ValidationError("Name jobs, or use --all.") }
            if ids.contains("") { throw ValidationError("The id of a job is empty.") }
        }

        func run() async throws {
            try await JobsCommand.withQueue { queue in
                print("\(try await queue.requeue(all ? nil : ids)) put back")
            }
        }
    }

    private static func withQueue(_ body: (any JobQueue) async throws -> Void) async throws {
        try await Refusal.wrapping {
            let settings = try Settings.start()
            let assembly = Assembly(settings: settings, logger: Logger(label: "agent-memory"))
            guard let stores = try assembly.durableStateStores() else {
                throw Refusal(
                    "MEMORY_VECTOR_DB_FACTORY=\(settings.stores.factory): this backend's jobs are in the server's own memory; with a loaded backend, STATE_STORE_URL says where they are kept"
                )
            }
            do {
                try await stores.jobs.prepare()
                try await body(stores.jobs)
            } catch {
                await stores.close()
                throw error
            }
            await stores.close()
        }
    }
}

/// The states of jobs as the command line spells them.
enum ListedState: String, ExpressibleByArgument, CaseIterable {
    case dead, waiting, leased

    var state: JobState {
        switch self {
        case .dead: .dead
        case .waiting: .waiting
        case .leased: .leased
        }
    }
}
