public import AgentMemory
import BackendProtocol
public import Logging

/// Makes backends that are not built in: from shared libraries and from Python modules.
public struct BackendLoader: Sendable {
    public struct Configuration: Sendable {
        /// Folders in which dotted names and libraries without a path are searched.
        public var folders: [String] = []
        /// The interpreter for `python:` factories; default `python3`.
        public var python = "python3"
        /// How many calls of a library may block at the same time; default 8.
        public var threads = 8
        /// Of each call, without its embeddings; default 10 seconds.
        public var timeout: Duration = .seconds(10)
        public var metric: DistanceMetric = .cosine

        public init() {}
    }

    private let configuration: Configuration
    private let logger: Logger
    /// One set for all backends of this loader.
    private let threads: BackendThreads

    public init(_ configuration: Configuration, logger: Logger) {
        self.configuration = configuration
        threads = BackendThreads(count: configuration.threads)
        self.logger = logger
    }

    /// Makes the backend that `setting` names.
    ///
    /// - Parameters:
    ///   - setting: the value of the factory setting.
    ///   - scope: of a check, whose data the backend must store apart; `nil` in a server.
    /// - Throws: ``BackendFactoryError``.
    public func load(
        _ setting: String, embedder: any Embedder, scope: String? = nil
    ) async throws(BackendFactoryError) -> LoadedBackend {
        let settings = BackendSettings(
            embeddingModel: embedder.model, dimensions: embedder.dimensions, metric: configuration.metric,
            timeoutMilliseconds: max(1, Int(configuration.timeout / .milliseconds(1))), scope: scope)
        switch try FactorySetting(setting) {
        case .named(let name): throw Self.unknown(name, setting, builtIn: [])
        case .library(let path, let symbol):
            return try await library(located(path), symbol, setting, settings, embedder)
        case .dotted(let module, let symbol):
            return try await library(found(module, symbol, setting), symbol, setting, settings, embedder)
        case .python(let factory):
            let transport = try await PythonTransport.make(
                factory: factory, setting: setting, settings: settings, interpreter: configuration.python,
                embedder: embedder, logger: logger)
            return LoadedBackend(transport, embedder: embedder, logger: logger)
        }
    }

    static func unknown(_ name: String, _ setting: String, builtIn: [String]) -> BackendFactoryError {
        let known = builtIn.isEmpty ? "" : "Built in are \(builtIn.joined(separator: ", ")). "
        return BackendFactoryError(
            .unknownFactory, setting: setting, field: .folders,
            """
            there is no backend \(name.debugDescription). \(known)To load one, name a library and a function \
            (/opt/acme/libacme.so:create_my_backend), a library in a plugin folder \
            (my_backends.create_my_backend), or a Python function (python:my_backends.create_my_backend).
            """)
    }

    private func library(
        _ path: String, _ symbol: String, _ setting: String, _ settings: BackendSettings, _ embedder: any Embedder
    ) async throws(BackendFactoryError) -> LoadedBackend {
        let transport = try await LibraryTransport.make(
            path: path, symbol: symbol, setting: setting, settings: settings, embedder: embedder,
            threads: threads, logger: logger)
        return LoadedBackend(transport, embedder: embedder, logger: logger)
    }

    /// A library without a path is searched in the folders of the plugins before the loader's own.
    private func located(_ path: String) -> String {
        guard !path.contains("/") else { return path }
        return configuration.folders.map { "\($0)/\(path)" }.first(where: SharedLibrary.exists) ?? path
    }

    /// The library of a dotted name.
    private func found(
        _ module: String, _ symbol: String, _ setting: String
    ) throws(BackendFactoryError) -> String {
        let python = "If \(module) is a Python module, write python:\(module).\(symbol)."
        guard !configuration.folders.isEmpty else {
            throw BackendFactoryError(
                .importError, setting: setting, field: .folders,
                "there are no plugin folders in which to look for the library of \(module). \(python)")
        }
        let candidates = FactorySetting.candidates(module: module, folders: configuration.folders)
        guard let path = candidates.first(where: SharedLibrary.exists) else {
            throw BackendFactoryError(
                .importError, setting: setting, field: .folders,
                "the plugin folders have no library of \(module); looked for \(candidates.joined(separator: ", ")). \(python)"
            )
        }
        return path
    }
}
