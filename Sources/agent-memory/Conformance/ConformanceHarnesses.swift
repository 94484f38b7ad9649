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
        return try names.map { try builtIn($0, assembly) } + urls.map(server)
    }

    private static func builtIn(_ name: String, _ assembly: Assembly) throws -> any ConformanceHarness {
        switch name == BackendRegistry.referenceSpellingOfRedis ? "redis" : name {
        case "redis": RedisHarness(try assembly.redisConfiguration())
        case "pgvector": PgvectorHarness(try assembly.pgvectorConfiguration())
        case "reference": oracle
        default:
            throw Refusal(
                "there is no backend \(name.debugDescription) to check: redis, pgvector and reference are built in")
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
