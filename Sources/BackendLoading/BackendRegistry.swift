public import AgentMemory

/// Why a factory setting gave no backend. Each message names the setting, what was tried and what to do.
public struct BackendFactoryError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// No factory of that name.
        case unknownFactory
        /// The factory threw; `message` holds its own words.
        case factoryFailed
    }

    public let code: Code
    public let message: String

    public var description: String { message }
}

/// The factories that MEMORY_VECTOR_DB_FACTORY can name.
public struct BackendRegistry: Sendable {
    /// Makes a backend. It does not connect yet: ``MemoryVectorDatabase/prepare()`` does.
    public typealias Factory = @Sendable () throws -> any MemoryVectorDatabase

    /// How the reference server spells its own default.
    public static let referenceSpellingOfRedis =
        "agent_memory_server.memory_vector_db_factory.create_redis_memory_vector_db"

    private let factories: [String: Factory]

    /// - Parameter factories: by name, such as `redis`.
    public init(_ factories: [String: Factory]) {
        self.factories = factories
    }

    /// The names in alphabetical order.
    public var names: [String] { factories.keys.sorted() }

    /// Makes the backend that `setting` names.
    ///
    /// - Throws: ``BackendFactoryError``.
    public func makeBackend(_ setting: String) throws(BackendFactoryError) -> any MemoryVectorDatabase {
        let name = setting == Self.referenceSpellingOfRedis ? "redis" : setting
        guard let factory = factories[name] else {
            throw BackendFactoryError(
                code: .unknownFactory,
                message: """
                    MEMORY_VECTOR_DB_FACTORY=\(setting): there is no backend of that name. Built in are \
                    \(names.joined(separator: ", ")) (and \(Self.referenceSpellingOfRedis), which is redis). \
                    This version loads no backends from shared libraries.
                    """)
        }
        do {
            return try factory()
        } catch {
            throw BackendFactoryError(
                code: .factoryFailed,
                message:
                    "MEMORY_VECTOR_DB_FACTORY=\(setting): \((error as? MemoryError)?.message ?? String(describing: error))"
            )
        }
    }
}
