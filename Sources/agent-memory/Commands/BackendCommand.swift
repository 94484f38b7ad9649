import AgentMemory
import ArgumentParser
import BackendHarnesses
import BackendLoading
import Logging
import MemoryConformance
import Settings

/// `agent-memory backend`: commands for authors of backends.
struct BackendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backend", abstract: "Checks or measures the backend that MEMORY_VECTOR_DB_FACTORY names.",
        subcommands: [Check.self, BackendMeasureCommand.self], defaultSubcommand: Check.self)

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract:
                "Loads the configured backend, shows its description and capabilities, and checks the core of the contract.",
            discussion: """
                Works in a scope of its own and removes it. Exits with 1 if a MUST of the core does not hold, or if the backend cannot be loaded. \
                `agent-memory conformance` runs all checks.
                """)

        @Option(help: "How many random histories to compare with the reference backend.")
        var histories = 500

        func validate() throws { try ConformanceCommand.validate(histories: histories) }

        func run() async throws {
            try await Refusal.wrapping {
                let settings = try Settings.start()
                let assembly = Assembly(settings: settings, logger: Logger(label: "agent-memory"))
                try await BackendCommand.show(settings.stores.factory, assembly)
                try await BackendCommand.checkCore(settings.stores.factory, assembly, histories: histories)
            }
        }
    }

    /// Creates the backend once, to show its description.
    private static func show(_ setting: String, _ assembly: Assembly) async throws {
        let embedder = SteeredEmbedder(dimensions: try assembly.dimensions())
        // A factory may create tables, so a loaded one gets a scope here too.
        let backend: any MemoryVectorDatabase =
            try BackendRegistry.builtInName(setting) == nil
            ? await assembly.loader.load(setting, embedder: embedder, scope: HarnessScope().name)
            : await assembly.registry(embedder: embedder).makeBackend(setting)
        let capabilities = backend.capabilities
        let version = (backend as? LoadedBackend)?.version
        let lines = [
            ("factory", setting), ("name", backend.name), ("version", version ?? "not given"),
            ("dimensions", String(embedder.dimensions)),
            ("keyword search", capabilities.keywordSearch ? "yes" : "no"),
            ("hybrid search", capabilities.hybridSearch ? "yes" : "no"),
            ("recency", capabilities.serverSideRecency ? "yes" : "no"),
            ("threshold", capabilities.distanceThreshold ? "yes" : "no"),
            (
                "token ranking",
                CheckedDatabase(backend).comparesTokens ? "yes" : "no: the backend keeps no opaque bytes"
            ),
            ("text scorers", capabilities.textScorers.map(\.rawValue).sorted().joined(separator: ", ")),
        ]
        for (name, value) in lines where !value.isEmpty {
            print(name + String(repeating: " ", count: 16 - name.count) + value)
        }
        await backend.close()
    }

    /// - Throws: `ExitCode` 1 if a MUST does not hold.
    private static func checkCore(_ setting: String, _ assembly: Assembly, histories: Int) async throws {
        let run = try ConformanceRun(
            ConformanceRun.Options(
                levels: [.core],
                settings: CheckSettings(histories: histories, oracle: ConformanceHarnesses.oracle)))
        let harness = try ConformanceHarnesses.harness(setting, assembly)
        let progress = ConformanceProgress(several: false)
        let report = await endingOnSignals { await run.run(on: [harness]) { progress.tell($0) } }
        progress.end()
        print(report.table, terminator: "")
        if !report.succeeded { throw ExitCode(report.interrupted ? 130 : 1) }
    }
}
