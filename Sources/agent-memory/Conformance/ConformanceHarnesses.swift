import AgentMemory
import BackendHarnesses
import BackendLoading
import Logging
import MemoryConformance
import RESTConformance

/// The harnesses of the backends and servers that the command line names.
enum ConformanceHarnesses {
    static let oracle = ReferenceHarness()

    /// - Throws: ``MemoryError``, ``SettingsError`` or ``Refusal`` that name what cannot be used.
    static func make(backends: [String], urls: [String]) async throws -> [any ConformanceHarness] {
        if backends.isEmpty, !urls.isEmpty { return try urls.map(server) }
        let settings = try Settings.load()
        LoggingSystem.bootstrap(level: settings.logLevel)
        let assembly = Assembly(settings: settings, logger: Logger(label: "agent-memory"))
        let names = backends.isEmpty ? [settings.factory] : backends
        return try names.map { try harness($0, assembly) } + urls.map(server)
    }

    /// The harness of a backend as MEMORY_VECTOR_DB_FACTORY names it.
    static func harness(_ setting: String, _ assembly: Assembly) throws -> any ConformanceHarness {
        switch try BackendRegistry.builtInName(setting) {
        case nil: return LoadedHarness(setting, name: setting, loader: assembly.loader)
        case "redis": return RedisHarness(try assembly.redisConfiguration())
        case "pgvector": return PgvectorHarness(try assembly.pgvectorConfiguration())
        case "reference": return oracle
        case let name?:
            throw Refusal(
                """
                there is no backend \(name.debugDescription) to check: redis, pgvector and reference are built in; others are named as \
                MEMORY_VECTOR_DB_FACTORY names them
                """)
        }
    }

    private static func server(_ url: String) throws -> any ConformanceHarness {
        do {
            return try RESTHarness(url: url)
        } catch let error as MemoryError {
            throw Refusal("--url \(url): \(error.message)")
        }
    }
}
