import AgentMemory
import ArgumentParser
import BackendLoading
import HTTPClient
import Logging
import Settings

#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// `agent-memory reembed`: changes the embedding model while servers keep running.
struct ReembedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reembed",
        abstract:
            "Embeds every memory with the model that EMBEDDING_MODEL names now, next to the vectors of the old one.",
        discussion: """
            Bring every server to this version first. Servers with the old model go on serving and storing meanwhile. When it has ended, start them anew with the new model; when \
            none with the old one is left, `agent-memory reembed --drop-others` frees what the old vectors take. It can be interrupted at \
            any time: the same command goes on where it stopped.
            """)

    @Flag(help: "Remove the vectors and indexes of all models except the one that EMBEDDING_MODEL names.")
    var dropOthers = false

    func run() async throws {
        let dropOthers = dropOthers
        try await runEndingOnSignals(
            "the current batch is abandoned", interrupted: "run the same command to continue where it stopped"
        ) {
            try await Self.run(dropOthers: dropOthers)
        }
    }

    private static func run(dropOthers: Bool) async throws {
        let settings = try Settings.start()
        let client = HTTPClient()
        do {
            let assembly = Assembly(settings: settings, logger: Logger(label: "agent-memory"))
            let embedder = try assembly.makeEmbedder(client: client)
            let database = try await assembly.registry(embedder: embedder).makeBackend(settings.stores.factory)
            do {
                guard let reembeddable = database as? any ReembeddableDatabase else {
                    throw Refusal(
                        "MEMORY_VECTOR_DB_FACTORY=\(settings.stores.factory): this backend cannot re-embed its memories; redis and pgvector can"
                    )
                }
                if dropOthers {
                    try await drop(reembeddable, embedder, batchSize: settings.embeddings.batchSize)
                } else {
                    try await reembed(reembeddable, embedder, batchSize: settings.embeddings.batchSize)
                }
            } catch {
                await database.close()
                throw error
            }
            await database.close()
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    private static func reembed(
        _ database: any ReembeddableDatabase, _ embedder: any Embedder, batchSize: Int
    ) async throws {
        let own = EmbeddingSpace(of: embedder)
        let display = ReembedProgress()
        do {
            try await Reembedding(database, batchSize: min(batchSize, 256)).run { event in
                switch event {
                case .began(let spaces):
                    let others = spaces.filter { $0.space != own && $0.isReady }.map { "\($0.space)" }
                    let from = others.isEmpty ? "" : "; in use now: \(others.joined(separator: ", "))"
                    display.line("embedding with \(own)\(from)")
                case .progress(let progress): display.show(progress)
                case .indexing: display.line("creating the vector index")
                }
            }
        } catch {
            display.end()
            throw error
        }
        display.end()
        print(
            """
            done: servers can be started with EMBEDDING_MODEL=\(embedder.model) now; \
            when none with another model is left, run `agent-memory reembed --drop-others`
            """)
    }

    private static func drop(
        _ database: any ReembeddableDatabase, _ embedder: any Embedder, batchSize: Int
    ) async throws {
        let dropped = try await Reembedding(database, batchSize: min(batchSize, 256)).dropOthers()
        for space in dropped { print("removed the vectors of \(space)") }
        if dropped.isEmpty { print("nothing to remove: all vectors are of \(EmbeddingSpace(of: embedder))") }
    }
}
