public import AgentMemory

/// Turns the factory setting into a backend: a built-in one by name, or a loaded one.
public struct BackendRegistry: Sendable {
    /// Makes a backend. It does not connect yet: ``MemoryVectorDatabase/prepare()`` does.
    public typealias Factory = @Sendable () throws -> any MemoryVectorDatabase

    private let factories: [String: Factory]
    private let loader: BackendLoader
    private let embedder: any Embedder

    /// - Parameters:
    ///   - factories: the built-in ones by name, such as `redis`.
    ///   - loader: makes the others.
    ///   - embedder: what loaded backends embed with.
    public init(_ factories: [String: Factory], loader: BackendLoader, embedder: any Embedder) {
        self.factories = factories
        self.loader = loader
        self.embedder = embedder
    }

    /// The name of the built-in backend that `setting` names; `nil` if it names one to load.
    ///
    /// - Throws: ``BackendFactoryError`` with code `unknownFactory` for a value that cannot be
    ///   read.
    public static func builtInName(_ setting: String) throws(BackendFactoryError) -> String? {
        if case .named(let name) = try FactorySetting(setting) { name } else { nil }
    }

    /// Makes the backend that `setting` names.
    ///
    /// - Throws: ``BackendFactoryError``.
    public func makeBackend(_ setting: String) async throws(BackendFactoryError) -> any MemoryVectorDatabase {
        guard let name = try Self.builtInName(setting) else {
            return try await loader.load(setting, embedder: embedder)
        }
        guard let factory = factories[name] else {
            throw BackendLoader.unknown(name, setting, builtIn: factories.keys.sorted())
        }
        do {
            return try factory()
        } catch {
            throw BackendFactoryError(
                .runtimeError, setting: setting, (error as? MemoryError)?.message ?? String(describing: error))
        }
    }
}
