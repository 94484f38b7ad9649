import AgentMemory

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A folder in the layout of sentence-transformers: JSON files that describe the model, its
/// vocabulary, its weights.
struct ModelFolder: Sendable {
    let path: String

    /// - Throws: ``MemoryError`` with code `misconfigured` if there is no such folder.
    init(_ path: String) throws(MemoryError) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw MemoryError(.misconfigured, "there is no model folder \(path)")
        }
        self.path = path
    }

    func path(of name: String) -> String { "\(path)/\(name)" }

    func has(_ name: String) -> Bool { access(path(of: name), F_OK) == 0 }

    func file(_ name: String) throws(MemoryError) -> MappedFile {
        try MappedFile(path(of: name))
    }

    /// The object in a JSON file.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the file.
    func object(_ name: String) throws(MemoryError) -> JSONFile {
        try JSONFile(file(name))
    }

    /// The object in a JSON file, or `nil` if there is no such file.
    func objectIfPresent(_ name: String) throws(MemoryError) -> JSONFile? {
        has(name) ? try object(name) : nil
    }
}

/// A JSON file of a model, whose errors name the file.
struct JSONFile: Sendable {
    let path: String
    let value: JSONValue

    init(_ file: MappedFile) throws(MemoryError) {
        path = file.path
        do {
            value = try JSONValue(parsing: file.bytes)
        } catch {
            throw MemoryError(
                .misconfigured, "the model file \(path) is not JSON: \(error.message) (byte \(error.offset))")
        }
    }

    subscript(name: String) -> JSONValue? { value[name] }

    func refusal(_ reason: String) -> MemoryError {
        MemoryError(.misconfigured, "the model file \(path) \(reason)")
    }

    /// A required whole number.
    func int(_ name: String, in range: ClosedRange<Int>) throws(MemoryError) -> Int {
        guard let value = value[name]?.intValue, range.contains(value) else {
            throw refusal("has no \(name) from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }
}
