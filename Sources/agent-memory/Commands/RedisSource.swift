import AgentMemory
import Logging
import MemoryService
import RedisBackend
import Settings

/// A Redis in the layout of redis/agent-memory-server that an import reads, and never writes to.
struct RedisSource: Sendable {
    private let exporting: MemoryExport
    private let memories: RedisMemoryDatabase
    private let sessions: any SnapshotSessions

    static func isURL(_ text: String) -> Bool {
        ["redis://", "rediss://", "unix://"].contains { text.lowercased().hasPrefix($0) }
    }

    /// - Parameters:
    ///   - url: of the Redis; the settings have the names of its keys.
    ///   - model: that made its vectors; `nil` if they are not read.
    ///   - target: the stores that the import writes to.
    /// - Throws: ``MemoryError`` with code `misconfigured`; ``Refusal`` if the source is the
    ///   target.
    init(_ url: String, model: String?, _ target: CommandStores) throws {
        let settings = target.settings
        guard target.database.name != "redis" || url != settings.redis.url else {
            throw Refusal("--from is the Redis of REDIS_URL itself, which the import would write to")
        }
        (memories, sessions) = try target.assembly.redisSource(
            at: url, embedder: SourceModel(model: model ?? "unknown", dimensions: target.embedder.dimensions))
        exporting = MemoryExport(
            database: memories, sessions: sessions,
            space: EmbeddingSpace(model: model, dimensions: target.embedder.dimensions),
            metric: settings.vectors.metric, server: Version.number)
    }

    /// Runs an import that reads what is in the Redis as an export.
    func reading(
        _ options: ImportOptions, _ run: (() async throws -> [UInt8]?) async throws -> ImportOutcome
    ) async throws -> ImportOutcome {
        let channel = PieceChannel()
        let selection = try SnapshotSelection(hasVectors: options.keepsVectors)
        let reading = Task {
            do {
                try await exporting.run(selection, for: CommandStores.caller("import"), to: channel)
                channel.finish(.success(()))
            } catch {
                channel.finish(.failure(error))
            }
        }
        let result: Result<ImportOutcome, any Error>
        do {
            result = .success(try await run { try await channel.next() })
        } catch {
            result = .failure(error)
        }
        channel.cancel()
        await reading.value
        await memories.close()
        await sessions.close()
        return try result.get()
    }
}

/// The name of the model of vectors that are only read.
private struct SourceModel: Embedder {
    let model: String
    let dimensions: Int

    func embed(_ texts: [String]) async throws -> [[Float]] {
        throw MemoryError(.internalError, "the source of an import is only read")
    }

    func unavailability() async -> String? { nil }
}
