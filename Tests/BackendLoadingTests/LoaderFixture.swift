import AgentMemory
import BackendLoading
import Logging
import MemoryConformance
import Synchronization
import TestSupport

/// Makes loaders for tests, and keeps what they log.
struct LoaderFixture {
    let log = LogLines()
    let embedder = SteeredEmbedder(dimensions: 8)
    private let loader: BackendLoader

    init(timeout: Duration = .seconds(20), folders: [String] = [], python: String = "python3", threads: Int = 4) {
        var configuration = BackendLoader.Configuration()
        configuration.timeout = timeout
        configuration.folders = folders
        configuration.python = python
        configuration.threads = threads
        loader = BackendLoader(configuration, logger: log.logger)
    }

    func load(_ setting: String) async throws(BackendFactoryError) -> LoadedBackend {
        try await loader.load(setting, embedder: embedder)
    }

    /// Runs `body` with a backend, and closes it whatever happens.
    func with<Value>(_ setting: String, _ body: (LoadedBackend) async throws -> Value) async throws -> Value {
        let backend = try await load(setting)
        do {
            let value = try await body(backend)
            await backend.close()
            return value
        } catch {
            await backend.close()
            throw error
        }
    }

    /// The failure that `setting` ends in; `nil` where it gives a backend.
    func failure(_ setting: String) async -> BackendFactoryError? {
        do throws(BackendFactoryError) {
            await (try await load(setting)).close()
            return nil
        } catch {
            return error
        }
    }
}

/// Everything that was logged, each line with its metadata.
final class LogLines: Sendable {
    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let more = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            lines.all.withLock { $0.append(([event.message.description] + more).joined(separator: " ")) }
        }
    }

    private let all = Mutex<[String]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    var lines: [String] { all.withLock(\.self) }

    /// Waits until a line has all of `parts`; gives up, with `false`, after half a minute.
    func has(_ parts: String...) async throws -> Bool {
        do {
            try await eventually { lines.contains { line in parts.allSatisfy { line.contains($0) } } }
            return true
        } catch is NeverTrue {
            return false
        }
    }
}
