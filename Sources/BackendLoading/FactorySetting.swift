/// The parsed value of the factory setting.
enum FactorySetting: Equatable {
    /// A built-in factory, or an unknown name.
    case named(String)
    /// `/opt/acme/libacme.so:create_my_backend`
    case library(path: String, symbol: String)
    /// `my_backends.create_my_backend`: a library that is searched by its name.
    case dotted(module: String, symbol: String)
    /// `python:my_backends.create_my_backend`
    case python(factory: String)

    /// How the reference server spells its own default.
    static let referenceSpellingOfRedis = "agent_memory_server.memory_vector_db_factory.create_redis_memory_vector_db"

    private static let pythonPrefix = "python:"

    /// - Throws: ``BackendFactoryError`` with code `unknownFactory` for a value with an empty part.
    init(_ setting: String) throws(BackendFactoryError) {
        if setting == Self.referenceSpellingOfRedis {
            self = .named("redis")
        } else if setting.hasPrefix(Self.pythonPrefix) {
            let factory = String(setting.dropFirst(Self.pythonPrefix.count))
            guard let dot = factory.lastIndex(of: "."), dot > factory.startIndex,
                factory.index(after: dot) < factory.endIndex
            else {
                throw BackendFactoryError(
                    .unknownFactory, setting: setting,
                    "after python: the dotted name of a function is needed, such as python:my_backends.create_my_backend"
                )
            }
            self = .python(factory: factory)
        } else if let colon = setting.lastIndex(of: ":") {
            let path = String(setting[..<colon])
            let symbol = String(setting[setting.index(after: colon)...])
            guard !path.isEmpty, !symbol.isEmpty else {
                throw BackendFactoryError(
                    .unknownFactory, setting: setting,
                    "a library and a function are needed, such as /opt/acme/libacme.so:create_my_backend")
            }
            self = .library(path: path, symbol: symbol)
        } else if let dot = setting.lastIndex(of: "."), !setting.contains("/") {
            let module = String(setting[..<dot])
            let symbol = String(setting[setting.index(after: dot)...])
            guard !module.isEmpty, !symbol.isEmpty else {
                throw BackendFactoryError(
                    .unknownFactory, setting: setting,
                    "a module and a function are needed, such as my_backends.create_my_backend")
            }
            self = .dotted(module: module, symbol: symbol)
        } else {
            self = .named(setting)
        }
    }

    /// The file of a dotted module below each of the folders, in their order: `acme.backends` is
    /// `acme/libbackends.so`.
    static func candidates(module: String, folders: [String]) -> [String] {
        var parts = module.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let name = parts.removeLast()
        #if canImport(Darwin)
            let file = "lib\(name).dylib"
        #else
            let file = "lib\(name).so"
        #endif
        return folders.map { ([$0] + parts + [file]).joined(separator: "/") }
    }
}
