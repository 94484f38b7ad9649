import AgentMemory
import ArgumentParser
import MemoryService

/// `agent-memory delete`: deletes memories by their ids, or a session.
struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Deletes memories or a session.", subcommands: [Memory.self, Session.self])

    struct Memory: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "memory", abstract: "Deletes memories.",
            discussion: "Those with the ids that are named, or those that other programs have left unusable.")

        @Argument(help: ArgumentHelp("The ids of the memories.", valueName: "id"))
        var ids: [String] = []

        @Flag(help: "Delete memories whose text is empty.")
        var emptyText = false

        @Flag(help: "Delete what is stored as a memory and has no usable id.")
        var invalid = false

        @Option(name: [.short, .long], help: "With --empty-text: only of this namespace.")
        var namespace: String?

        @Option(name: [.short, .long], help: "With --empty-text: only of this user; also --user.")
        var userId: String?

        @Option(name: .long, help: .hidden)
        var user: String?

        @Flag(help: "Only show what would be deleted.")
        var dryRun = false

        @Flag(name: [.short, .long], help: "Do not ask.")
        var force = false

        func validate() throws {
            if user != nil, userId != nil {
                throw ValidationError("--user and --user-id are the same; give one of them.")
            }
            if [!ids.isEmpty, emptyText, invalid].filter(\.self).count != 1 {
                throw ValidationError("Name the ids of memories, or give one of --empty-text and --invalid.")
            }
            if ids.contains("") { throw ValidationError("An id is empty.") }
            if !emptyText, namespace != nil || userId != nil || user != nil {
                throw ValidationError("--namespace and --user-id go with --empty-text.")
            }
            _ = try filter()
        }

        private func filter() throws -> MemoryFilter {
            do throws(MemoryError) {
                var tags: [TagField: TagCondition] = [:]
                if let namespace { tags[.namespace] = try TagCondition(field: .namespace, eq: namespace) }
                if let user = userId ?? user { tags[.userID] = try TagCondition(field: .userID, eq: user) }
                return MemoryFilter(tags: tags)
            } catch {
                throw ValidationError(error.message)
            }
        }

        func run() async throws {
            guard ids.isEmpty else { return try await delete(ids.exactlyDistinct()) }
            let filter = try filter()
            try await CommandStores.open { stores in
                // Redis finds memories by an index, which must be complete.
                try await stores.awaitIndex()
                if invalid { return try await deleteInvalid(stores) }
                let found = try await stores.memory.idsWithEmptyText(in: filter, for: CommandStores.caller("delete"))
                guard !found.isEmpty else { return print("No memories with empty text found.") }
                guard try proceeds(with: found, "memories with empty text") else { return }
                let deleted = try await stores.memory.delete(ids: found, for: CommandStores.caller("delete"))
                print("Deleted \(deleted) memories with empty text.")
            }
        }

        private func delete(_ ids: [String]) async throws {
            guard try proceeds(with: ids, "memories") else { return }
            try await CommandStores.open { stores in
                let deleted = try await stores.memory.delete(ids: ids, for: CommandStores.caller("delete"))
                print("Deleted \(deleted) memories.")
            }
        }

        /// No other backend can have such records.
        private func deleteInvalid(_ stores: CommandStores) async throws {
            let database = stores.database.database as? any InvalidRecordDatabase
            let found = try await database?.invalidRecords() ?? []
            guard try found.isEmpty && !dryRun || proceeds(with: found, "memories with invalid IDs") else { return }
            print("Deleted \(try await database?.removeInvalidRecords(found) ?? 0) memories with invalid IDs.")
        }

        /// Shows what would be deleted, or asks.
        private func proceeds(with names: [String], _ what: String) throws -> Bool {
            guard !dryRun else {
                print("Would delete \(names.count) \(what):")
                for name in names { print("  - \(name)") }
                return false
            }
            if !force { try DeleteCommand.confirm("Delete \(names.count) \(what)?") }
            return true
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
