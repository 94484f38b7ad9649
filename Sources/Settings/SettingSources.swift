#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// The sources of settings: the command line, then the environment, then `.env`. An empty value
/// counts as none.
public struct SettingSources {
    /// By name.
    private(set) var variables: [String: String] = [:]
    /// Names in the environment whose value is not UTF-8.
    private(set) var unreadable: Set<String> = []
    private let file: [EnvironmentFile.Entry]
    private let environment: [String: String]

    /// Reads the environment and the `.env` file of the working folder.
    ///
    /// - Parameter options: of the command line.
    /// - Throws: ``SettingsError`` for an `.env` that exists and cannot be read, and for an empty
    ///   option.
    public init(overriding options: [(name: String, value: String?)] = []) throws(SettingsError) {
        let file: EnvironmentFile?
        do {
            file = try EnvironmentFile(readingIfPresent: ".env")
        } catch {
            throw SettingsError(problems: [error.description])
        }
        let (environment, unreadable) = Self.processEnvironment()
        try self.init(file: file?.entries ?? [], environment: environment, unreadable: unreadable, options: options)
    }

    init(
        file: [EnvironmentFile.Entry], environment: [String: String], unreadable: Set<String> = [],
        options: [(name: String, value: String?)] = []
    ) throws(SettingsError) {
        self.file = file
        self.environment = environment
        for entry in file { variables[entry.name] = entry.value }
        // An empty variable, which compose files pass on if it is not set, must not hide the value
        // in the file.
        variables.merge(environment) { file, environment in environment.isEmpty ? file : environment }
        self.unreadable = unreadable
        for option in options {
            guard let value = option.value else { continue }
            if value.isEmpty { throw SettingsError(problems: ["--\(option.name.lowercased()) has an empty value"]) }
            variables[option.name] = value
            self.unreadable.remove(option.name)
        }
    }

    /// Checks the names that were given, once all known names have been read.
    ///
    /// In `.env`, a name that looks like one of this server's settings is an error. The environment
    /// is shared with other programs: there it is a warning, unless the setting controls access.
    ///
    /// - Parameter known: the names of all settings.
    func check(known: [String], _ reader: inout SettingsReader) {
        var lines: [String: Int] = [:]
        for entry in file {
            let place = "line \(entry.line) of the .env file"
            let suspicion = SettingNameCheck.suspicion(entry.name, known: known)
            switch suspicion {
            case .misspelt(let nearest), .unknown(let nearest):
                reader.problem("\(place): \(entry.name) is not a setting; the nearest is \(nearest)")
            case .unsupported:
                reader.warn("\(place): \(entry.name) has no effect in this version")
            case nil: break
            }
            guard known.contains(entry.name) else { continue }
            if let first = lines.updateValue(entry.line, forKey: entry.name) {
                reader.problem("the .env file sets \(entry.name) twice, in line \(first) and in line \(entry.line)")
            }
            if entry.asksForExpansion {
                reader.problem(
                    "\(place): \(entry.name) has ${…}, which is not replaced here; write the value itself, or put it in single quotes to take it literally"
                )
            }
        }
        for name in environment.keys.sorted() {
            switch SettingNameCheck.suspicion(name, known: known) {
            case .misspelt(let nearest)
            where SettingNameCheck.ofAccess.contains(nearest) || SettingNameCheck.ofLimits.contains(nearest):
                reader.problem("\(name) is not a setting; the nearest is \(nearest)")
            case .misspelt(let nearest), .unknown(let nearest):
                reader.warn("\(name) in the environment is not a setting; the nearest is \(nearest)")
            case .unsupported: reader.warn("\(name) in the environment has no effect in this version")
            case nil: break
            }
        }
    }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The variables of this process, unchanged: Foundation repairs or drops those that are not
    /// UTF-8.
    private static func processEnvironment() -> (variables: [String: String], unreadable: Set<String>) {
        var variables: [String: String] = [:]
        var unreadable: Set<String> = []
        var next = environ
        while let entry = next.pointee {
            next += 1
            let bytes = UnsafeRawBufferPointer(start: entry, count: strlen(entry))
            guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")),
                let name = String(validating: bytes[..<equals], as: UTF8.self), variables[name] == nil
            else { continue }
            if let value = String(validating: bytes[(equals + 1)...], as: UTF8.self) {
                variables[name] = value
            } else {
                unreadable.insert(name)
            }
        }
        return (variables, unreadable)
    }
}
