import CMemoryBackend

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A shared library that is never closed once opened: its threads may run longer than every call.
struct SharedLibrary {
    private let handle: UnsafeMutableRawPointer
    private let path: String
    private let setting: String

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Opens the library. May block: runs the library's own initializers.
    ///
    /// - Parameter setting: the value of the factory setting, for errors.
    /// - Throws: ``BackendFactoryError`` with code `importError`.
    init(path: String, setting: String) throws(BackendFactoryError) {
        func refuse(_ reason: String) -> BackendFactoryError {
            BackendFactoryError(.importError, setting: setting, reason)
        }
        // The loader resolves a bare name, in its own folders.
        if path.contains("/") {
            guard Self.exists(path) else {
                throw refuse("there is no file \(path). Name an existing library, as an absolute path if in doubt.")
            }
            #if os(Linux)
                if let reason = Self.unfitness(of: path) { throw refuse(reason) }
            #endif
        }
        guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            let (reason, field) = Self.explain(dlerror().map { String(cString: $0) } ?? "unknown error", path: path)
            throw BackendFactoryError(.importError, setting: setting, field: field, reason)
        }
        self.handle = handle
        self.path = path
        self.setting = setting
    }

    /// - Throws: ``BackendFactoryError`` with code `functionNotFound` that lists similar names.
    func factory(_ symbol: String) throws(BackendFactoryError) -> memory_backend_factory {
        if let function = dlsym(handle, symbol) { return unsafeBitCast(function, to: memory_backend_factory.self) }
        let offered = Self.factoryLike((try? ELFFile(path: path))?.exportedFunctions() ?? [])
        let hint =
            offered.isEmpty
            ? "It exports no function that looks like a factory; is the function exported under its plain C name (extern \"C\", @_cdecl)?"
            : "It exports \(offered.joined(separator: ", "))."
        throw BackendFactoryError(
            .functionNotFound, setting: setting, "\(path) was loaded, but has no function \(symbol). \(hint)")
    }

    /// Plain C names that contain a word typical of factories.
    static func factoryLike(_ names: [String]) -> [String] {
        names.filter { name in
            let isMangled = name.hasPrefix("$s") || name.hasPrefix("_Z") || name.hasPrefix("_R")
            let lowercase = name.lowercased()
            return !isMangled && ["create", "backend", "factory"].contains { lowercase.contains($0) }
        }.sorted()
    }

    private static func unfitness(of path: String) -> String? {
        do throws(ELFFile.Problem) {
            let file = try ELFFile(path: path)
            guard let own = ELFFile.ownMachine, own != file.machine else { return nil }
            return """
                \(path) is for another kind of machine (\(ELFFile.name(ofMachine: file.machine))), this one is \
                \(ELFFile.name(ofMachine: own)). Build it for this machine.
                """
        } catch {
            return switch error {
            case .unreadable: "\(path) cannot be read. Give the server's user the right to read it."
            case .notELF: "\(path) is not a shared library."
            case .foreignLayout:
                "\(path) is for another type of machine (not 64 bits, little-endian). Build it for this machine."
            }
        }
    }

    /// The loader's words, with what they mean where that is known, and the field of the
    /// configuration that could help.
    private static func explain(
        _ words: String, path: String
    ) -> (reason: String, field: BackendFactoryError.Field?) {
        if let range = words.firstRange(of: ": cannot open shared object file") {
            let missing = String(words[..<range.lowerBound])
            guard missing == path else {
                let advice = "Install it, or name its folder in LD_LIBRARY_PATH."
                return ("\(path) needs the library \(missing), which was not found. \(advice)", nil)
            }
            let places = "neither in the plugin folders nor by the system's loader"
            return ("the library \(path) was found \(places). Name its whole path.", .folders)
        }
        if let range = words.firstRange(of: "undefined symbol: ") {
            let reason = """
                \(path) uses \(words[range.upperBound...]), which neither it nor a library that it names has. Link it with the library \
                that has it, of the version it was built for.
                """
            return (reason, nil)
        }
        return ("\(path) cannot be loaded: \(words)", nil)
    }
}
