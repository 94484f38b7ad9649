import AgentMemory
import BackendLoading
import HTTPClient
import Hummingbird
import Logging
import MemoryHTTP
import MemoryService
import ServiceLifecycle
import UnixSignals

/// Puts the parts together and runs them.
struct Server {
    let settings: Settings
    let logger: Logger

    /// How long the first `prepare()` may hold up listening: a store that is down must not keep `/v1/health` from answering.
    private static let preparationLimit: Duration = .milliseconds(200)
    /// How long requests in flight may take after SIGTERM.
    private static let shutdownLimit: Duration = .seconds(10)

    func run() async throws {
        let client = HTTPClient()
        do {
            try await serve(embeddingsThrough: client)
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    private func serve(embeddingsThrough client: HTTPClient) async throws {
        let assembly = Assembly(settings: settings, logger: logger)
        let embedder: any Embedder
        let database: any MemoryVectorDatabase
        do {
            embedder = try assembly.makeEmbedder(client: client)
            database = try assembly.registry(embedder: embedder).makeBackend(settings.factory)
        } catch let error as MemoryError {
            throw Refusal(error.message)
        } catch let error as BackendFactoryError {
            throw Refusal(error.message)
        }
        let recorder = AccessRecorder(database: database, logger: logger)
        let api = APIRouter(
            memory: LongTermMemory(database: database, accessRecorder: recorder),
            readiness: Readiness(database: database, embedder: embedder),
            configuration: .init(bodyLimit: settings.bodyLimit, longTermMemory: settings.longTermMemory))
        let application = Application(
            router: api.router(),
            configuration: .init(address: .hostname(settings.host, port: settings.port), serverName: "agent-memory"),
            onServerRunning: { [logger] channel in
                logger.info(
                    "listening", metadata: ["address": "\(channel.localAddress.map(String.init(describing:)) ?? "?")"])
            }, logger: logger)
        let upkeep = BackendUpkeep(database: database, logger: logger)
        do {
            try await upkeep.prepare(within: Self.preparationLimit)
        } catch let error as MemoryError {
            await database.close()
            throw Refusal("MEMORY_VECTOR_DB_FACTORY=\(settings.factory): \(error.message)")
        }
        logger.info(
            "starting",
            metadata: [
                "version": "\(Version.number)", "backend": "\(settings.factory)",
                "embedding_model": "\(embedder.model)",
                "dimensions": "\(embedder.dimensions)",
            ])
        // Services end in reverse order: the API drains before what it stands on goes away.
        var configuration = ServiceGroupConfiguration(
            services: [
                .init(service: upkeep, failureTerminationBehavior: .gracefullyShutdownGroup),
                .init(service: recorder), .init(service: application),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.shutdownLimit
        do {
            try await ServiceGroup(configuration: configuration).run()
            await database.close()
        } catch {
            await database.close()
            // The backend found out after the start that it cannot go with what the store holds.
            guard let error = error as? MemoryError else { throw error }
            throw Refusal("MEMORY_VECTOR_DB_FACTORY=\(settings.factory): \(error.message)")
        }
    }
}
