import AgentMemory
import ArgumentParser
import MemoryService
import Settings

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// `agent-memory import`: stores what an export has, or another Redis.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Stores the memories and sessions of an export, or of another Redis, in the store of the settings.",
        discussion: """
            A file is read and checked to its end before anything is written. A redis:// URL names a Redis in the layout of \
            redis/agent-memory-server (or of this server), which is only read; REDISVL_INDEX_NAME and its siblings say what \
            its keys begin with. An import that was interrupted is completed by the same command with --existing skip.
            """)

    @Option(
        name: .long,
        help: ArgumentHelp("The file of an export, or a redis://, rediss:// or unix:// URL.", valueName: "file or url"))
    var from: String

    @Option(help: "What is done with memories and sessions that are stored already: refuse, skip or replace.")
    var existing: ExistingChoice = .refuse

    @Flag(help: "Store the vectors of the export; its embedding model must be that of EMBEDDING_MODEL.")
    var keepVectors = false

    @Flag(name: .customLong("new-ids"), help: "Give the memories new ids, the same ones each time.")
    var makesNewIDs = false

    @Flag(help: "Read and check everything, and write nothing.")
    var dryRun = false

    @Option(help: "The embedding model of a Redis whose vectors are kept.")
    var sourceModel: String?

    func validate() throws {
        let isRedis = RedisSource.isURL(from)
        if sourceModel != nil, !isRedis || !keepVectors {
            throw ValidationError("--source-model is for a redis:// URL with --keep-vectors.")
        }
        if isRedis, keepVectors, sourceModel == nil {
            throw ValidationError(
                "A Redis does not say which model made its vectors: with --keep-vectors name it by --source-model.")
        }
        if isRedis, makesNewIDs {
            // Each reading is another export, whose ids would all be new again.
            throw ValidationError("--new-ids is for files.")
        }
    }

    func run() async throws {
        var options = ImportOptions()
        options.existing = existing.existing
        options.keepsVectors = keepVectors
        options.makesNewIDs = makesNewIDs
        options.isDryRun = dryRun
        let (from, sourceModel, chosen) = (from, sourceModel, options)
        try await runEndingOnSignals(
            "the current batch is completed or abandoned",
            interrupted: "the same command with --existing skip completes the import"
        ) {
            try await CommandStores.open { try await Self.store(from, sourceModel, chosen, $0) }
        }
    }

    private static func store(
        _ from: String, _ sourceModel: String?, _ options: ImportOptions, _ stores: CommandStores
    ) async throws {
        try await stores.awaitIndex()
        let importing = MemoryImport(
            memory: stores.memory, sessions: stores.stores.sessions,
            promotion: Promotion(
                jobs: JobSubmitter(queue: stores.stores.jobs), isEnabled: stores.settings.memory.isLongTermEnabled,
                includesMessages: stores.settings.memory.indexesAllMessages), space: stores.space)
        let caller = CommandStores.caller("import")
        let display = TransferProgress()
        let tell: @Sendable (ImportOutcome) -> Void = {
            display.show($0.records.all, of: nil, sessions: $0.sessions.all)
        }
        let outcome: ImportOutcome
        do {
            if RedisSource.isURL(from) {
                outcome = try await RedisSource(from, model: sourceModel, stores).reading(options) { next in
                    try await importing.run(options, for: caller, tell, reading: next)
                }
            } else {
                let whole = try FilePieces(from)
                try await MemoryImport.verify { try whole.next() }
                let pieces = try FilePieces(from)
                outcome = try await importing.run(options, for: caller, tell) { try pieces.next() }
            }
        } catch {
            display.end()
            throw error
        }
        display.end()
        report(outcome)
    }

    private static func report(_ outcome: ImportOutcome) {
        func text(_ counts: ImportOutcome.Counts) -> String {
            "\(counts.added) added, \(counts.replaced) replaced, \(counts.skipped) skipped"
        }
        if outcome.isDryRun { print("nothing was written; an import would do this:") }
        print("memories: \(text(outcome.records))")
        print("sessions: \(text(outcome.sessions))")
        if !outcome.isDryRun {
            print(
                "operation \(outcome.operation): POST /v1/operations/\(outcome.operation)/undo takes the memories back")
        }
        if !outcome.isConsistent {
            fputs(
                "warning: memories of the source were changed while they were exported; "
                    + "export again without writers to be sure\n", stderr)
        }
    }
}

/// ``ImportOptions/Existing`` as the command line spells it.
enum ExistingChoice: String, ExpressibleByArgument, CaseIterable {
    case refuse, skip, replace

    var existing: ImportOptions.Existing {
        switch self {
        case .refuse: .refuse
        case .skip: .skip
        case .replace: .replace
        }
    }
}
