import AgentMemory
import BackendLoading
import HTTPClient
import Logging
import MemoryService
import Settings

/// The stores of the settings, for a command that works on memories as a server does.
struct CommandStores: Sendable {
    let settings: Settings
    let assembly: Assembly
    let embedder: any Embedder
    let database: CheckedDatabase
    let stores: StateStores
    let memory: LongTermMemory

    var space: EmbeddingSpace { EmbeddingSpace(of: embedder) }

    /// Opens the stores, runs `body`, and closes them; errors of settings and stores become a
    /// ``Refusal``.
    static func open<Value: Sendable>(_ body: (CommandStores) async throws -> Value) async throws -> Value {
        try await Refusal.wrapping {
            let settings = try Settings.start()
            let client = HTTPClient()
            do {
                let value = try await open(settings, client, body)
                await client.shutdown()
                return value
            } catch {
                await client.shutdown()
                throw error
            }
        }
    }

    private static func open<Value: Sendable>(
        _ settings: Settings, _ client: HTTPClient, _ body: (CommandStores) async throws -> Value
    ) async throws -> Value {
        let logger = Logger(label: "agent-memory")
        let assembly = Assembly(settings: settings, logger: logger)
        let embedder = try assembly.makeEmbedder(client: client)
        let stores = try assembly.stateStores()
        let database = try await assembly.makeDatabase(embedder: embedder, stores: stores)
        let memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: logger),
            deletions: stores.jobs)
        func close() async {
            await database.close()
            await stores.close()
        }
        do {
            // Built-in stores prepare themselves, and may be read before their index is complete.
            if try BackendRegistry.builtInName(settings.stores.factory) == nil { try await database.prepare() }
            let value = try await body(
                CommandStores(
                    settings: settings, assembly: assembly, embedder: embedder, database: database, stores: stores,
                    memory: memory))
            await close()
            return value
        } catch {
            await close()
            throw error
        }
    }

    /// Waits while the index of a store that responds is being built: a new one of Redis looks
    /// through all keys of its server first.
    ///
    /// - Throws: ``MemoryError`` of a store that cannot be read for another reason;
    ///   `CancellationError`.
    func awaitIndex() async throws {
        while true {
            do {
                _ = try await database.count(.everything)
                return
            } catch let error as MemoryError where error.code == .storeUnavailable {
                let health = await database.health()
                guard health.filter({ !$0.isOK }).map(\.component) == ["index"] else { throw error }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    /// Who the command is, in events and logs.
    static func caller(_ command: String) -> Caller {
        Caller(subject: "agent-memory \(command)", rights: .all)
    }
}
