import AgentMemory
import ArgumentParser
import MemoryService
import MemoryTransfer
import Settings

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// `agent-memory export`: writes memories and sessions to a file.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes memories and sessions to a file of JSON lines, from the store of the settings.",
        discussion: """
            The file is written next to FILE and takes its name when it is complete. Servers may go on working: on \
            Postgres, and on Redis with HISTORY=all, the file has the memories of one moment.
            """)

    @Option(name: .long, help: ArgumentHelp("The file to write; one that exists is replaced.", valueName: "file"))
    var to: String

    @Option(name: [.short, .long], help: "Only what has this namespace.")
    var namespace: String?

    @Option(name: [.short, .long], help: "Only what has this user id.")
    var user: String?

    @Option(name: [.short, .long], help: "Only what has this session id.")
    var session: String?

    @Flag(help: "With the vectors, for stores whose servers have the same embedding model.")
    var vectors = false

    func run() async throws {
        let (path, vectors) = (to, vectors)
        let (namespace, user, session) = (namespace, user, session)
        try await runEndingOnSignals("the unfinished file is removed") {
            let selection = try SnapshotSelection(
                namespace: namespace, userID: user, sessionID: session, hasVectors: vectors)
            try await CommandStores.open { try await Self.export(selection, to: path, $0) }
        }
    }

    private static func export(_ selection: SnapshotSelection, to path: String, _ stores: CommandStores) async throws {
        let exporting = MemoryExport(
            database: stores.database, sessions: stores.stores.sessions, space: stores.space,
            metric: stores.settings.vectors.metric, server: Version.number)
        let file = try ExportFile(path)
        let display = TransferProgress()
        do {
            let counts = try await exporting.run(selection, for: CommandStores.caller("export"), to: file) {
                display.show($0.counts.records, of: $0.records, sessions: $0.counts.sessions)
            }
            display.end()
            try file.complete()
            print("exported \(counts.records) memories and \(counts.sessions) sessions to \(path)")
            if !counts.isConsistent {
                fputs(
                    "warning: memories were changed while they were exported, and the file mixes states; "
                        + "stop the writers, or export with HISTORY=all\n", stderr)
            }
        } catch {
            display.end()
            file.discard()
            throw error
        }
    }
}
