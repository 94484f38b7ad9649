import AgentMemory
import ArgumentParser
import MemoryService

/// `agent-memory delete`: deletes memories by their ids, or a session.
struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Deletes memories or a session.", subcommands: [Memory.self, Session.self])

    struct Memory: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "memory", abstract: "Deletes memories.")

        @Argument(help: ArgumentHelp("The ids of the memories.", valueName: "id"))
        var ids: [String] = []

        @Flag(help: "Only show what would be deleted.")
        var dryRun = false

        @Flag(name: [.short, .long], help: "Do not ask.")
        var force = false

        func validate() throws {
            if ids.isEmpty { throw ValidationError("Name the ids of memories.") }
            if ids.contains("") { throw ValidationError("An id is empty.") }
        }

        func run() async throws {
            let ids = ids.exactlyDistinct()
            if dryRun {
                print("Would delete \(ids.count) memories:")
                for id in ids { print("  - \(id)") }
                return
            }
            if !force { try DeleteCommand.confirm("Delete \(ids.count) memories?") }
            try await CommandStores.open { stores in
                let deleted = try await stores.memory.delete(ids: ids, for: CommandStores.caller("delete"))
                print("Deleted \(deleted) memories.")
            }
        }
    }

    struct Session: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "session", abstract: "Deletes the working memory of a session.",
            discussion: "Memories of the session in long-term memory stay.")

        @Argument(help: ArgumentHelp("The id of the session.", valueName: "id"))
        var id: String

        @Option(name: [.short, .long], help: "The namespace of the session.")
        var namespace: String?

        @Option(name: [.short, .long], help: "The user id of the session; also --user.")
        var userId: String?

        @Option(name: .long, help: .hidden)
        var user: String?

        @Flag(name: [.short, .long], help: "Do not ask.")
        var force = false

        func validate() throws {
            if user != nil, userId != nil {
                throw ValidationError("--user and --user-id are the same; give one of them.")
            }
            _ = try reference()
        }

        private func reference() throws -> SessionReference {
            do throws(MemoryError) {
                return try SessionReference(sessionID: id, namespace: namespace, userID: userId ?? user)
            } catch {
                throw ValidationError(error.message)
            }
        }

        func run() async throws {
            let reference = try reference()
            let force = force
            try await CommandStores.open { stores in
                let sessions = stores.stores.sessions
                let found = try await AccessScope.everything.limiting {
                    try await sessions.matching(reference, limit: 2)
                }
                guard let key = found.first else {
                    print("Session \(reference.sessionID) not found.")
                    return
                }
                guard found.count == 1 else {
                    throw Refusal(
                        "several sessions have the id \(reference.sessionID): name the one by --namespace and --user-id"
                    )
                }
                if !force { try DeleteCommand.confirm("Delete the session \(reference.sessionID)?") }
                let isDeleted = try await AccessScope.everything.limiting {
                    try await sessions.delete(key, expectedRevision: nil)
                }
                print(isDeleted ? "Deleted session \(reference.sessionID)." : "The session was deleted already.")
            }
        }
    }

    /// - Throws: exit status 1 without a yes.
    private static func confirm(_ question: String) throws {
        print("\(question) [y/N]: ", terminator: "")
        guard ["y", "yes"].contains(readLine()?.lowercased()) else {
            print("Aborted!")
            throw ExitCode.failure
        }
    }
}
