import AgentMemory
import BackendHarnesses
import BackendLoading
import Logging
import MemoryConformance
import RESTConformance
import Settings

/// The harnesses of the backends and servers that the command line names.
enum ConformanceHarnesses {
    static let oracle = ReferenceHarness()

    /// - Throws: ``MemoryError``, ``SettingsError`` or ``Refusal`` that names what cannot be used.
    ///
    /// - Parameter settle: how long each write over REST may take to become visible; `nil` does not
    ///   wait.
    static func make(
        backends: [String], urls: [String], settle: Duration? = nil
    ) async throws -> [any ConformanceHarness] {
        func server(_ url: String) throws -> any ConformanceHarness { try Self.server(url, settle: settle) }
        if backends.isEmpty, !urls.isEmpty { return try urls.map(server) }
        let settings = try Settings.start()
        let assembly = Assembly(settings: settings, logger: Logger(label: "agent-memory"))
        let names = backends.isEmpty ? [settings.stores.factory] : backends
        return try names.map { try harness($0, assembly) } + urls.map(server)
    }

    /// The harness of a backend as MEMORY_VECTOR_DB_FACTORY names it.
    static func harness(_ setting: String, _ assembly: Assembly) throws -> any ConformanceHarness {
        switch try BackendRegistry.builtInName(setting) {
        case nil:
            return LoadedHarness(
                setting, name: setting, loader: assembly.loader, dimensions: try assembly.dimensions())
        case "redis": return RedisHarness(try assembly.redisServer(), assembly.redisConfiguration)
        case "pgvector": return PostgresHarness(try assembly.pgvectorConfiguration())
        case "reference": return oracle
        case let name?:
            throw Refusal(
                """
                there is no backend \(name.debugDescription) to check: redis, pgvector and reference are built in; others are named as \
                MEMORY_VECTOR_DB_FACTORY names them
                """)
        }
    }

    private static func server(_ url: String, settle: Duration?) throws -> any ConformanceHarness {
        do {
            return try RESTHarness(url: url, settle: settle)
        } catch let error as MemoryError {
            throw Refusal("--url \(ShownAddress.of(url)): \(error.message)")
        }
    }
}
