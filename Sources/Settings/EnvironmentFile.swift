#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// Reads a `.env` file: `NAME=value` lines in UTF-8, with comments, `export`, and quotes as shells
/// and python-dotenv read them.
///
/// Every line is read or refused: an ignored line could be the one that restricts access.
struct EnvironmentFile {
    /// Why the file cannot be used. Never quotes a value.
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(line: Int, _ message: String) { description = "line \(line) of the .env file: \(message)" }
        init(_ message: String) { description = "the .env file \(message)" }
    }

    struct Entry: Equatable {
        /// Counted from 1.
        let line: Int
        let name: String
        let value: String
        /// Whether the value refers to another variable (`${NAME}`) outside of single quotes.
        /// References are not supported.
        let asksForExpansion: Bool
    }

    /// In the file's order; a name may occur more than once.
    let entries: [Entry]

    private static let maximumBytes = 1 << 20

    /// - Parameter path: of a file that may be absent: then this is `nil`.
    /// - Throws: ``Failure`` for a file that exists and cannot be read.
    init?(readingIfPresent path: String) throws(Failure) {
        // Of the link itself: a broken link counts as given too.
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw Failure("cannot be read: \(Self.systemError(errno))")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure("cannot be read: \(Self.systemError(errno))") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw Failure("cannot be read: \(Self.systemError(errno))")
            }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= Self.maximumBytes else { throw Failure("is larger than \(Self.maximumBytes) bytes") }
        }
        try self.init(parsing: bytes)
    }

    /// - Throws: ``Failure`` that names the line.
    init(parsing bytes: [UInt8]) throws(Failure) {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw Failure("is UTF-16; save it as UTF-8")
        }
        // The byte order mark that editors of Windows write.
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        var entries: [Entry] = []
        for (index, line) in Self.lines(text).enumerated() {
            let number = index + 1
            guard !line.contains(0) else {
                throw Failure(line: number, "there is a NUL character; the file must be text in UTF-8")
            }
            guard let line = String(validating: line, as: UTF8.self) else {
                throw Failure(line: number, "this is not UTF-8; save the file as UTF-8")
            }
            if let entry = try Self.entry(line.unicodeScalars[...], number) { entries.append(entry) }
        }
        self.entries = entries
    }

    /// Lines end with LF, CR LF, or CR.
    private static func lines(_ bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = bytes.startIndex
        var index = start
        while index < bytes.endIndex {
            let byte = bytes[index]
            index += 1
            guard byte == 0x0A || byte == 0x0D else { continue }
            lines.append(bytes[start..<index - 1])
            if byte == 0x0D, index < bytes.endIndex, bytes[index] == 0x0A { index += 1 }
            start = index
        }
        lines.append(bytes[start...])
        return lines
    }

    private typealias Text = Substring.UnicodeScalarView

    private static func entry(_ line: Text, _ number: Int) throws(Failure) -> Entry? {
        var rest = trimmed(line)
        if rest.isEmpty || rest.first == "#" { return nil }
        if rest.starts(with: "export ".unicodeScalars) { rest = trimmed(rest.dropFirst(7)) }
        guard let equals = rest.firstIndex(of: "=") else {
            throw Failure(line: number, "NAME=value was expected")
        }
        let name = trimmed(rest[..<equals])
        guard !name.isEmpty, name.allSatisfy({ isNameCharacter($0) }) else {
            throw Failure(line: number, "a name is made of letters, digits and underscores")
        }
        let written = trimmed(rest[rest.index(after: equals)...])
        let isQuoted = written.first == "\"" || written.first == "'"
        let value = isQuoted ? try quoted(written, String(name), number) : unquoted(written)
        return Entry(
            line: number, name: String(name), value: value,
            asksForExpansion: written.first != "'" && value.contains("${"))
    }

    private static func isNameCharacter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "_": true
        default: false
        }
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" }

    private static func trimmed(_ text: Text) -> Text {
        let start = text.drop(while: isBlank)
        return start.lastIndex { !isBlank($0) }.map { start[...$0] } ?? start[start.endIndex...]
    }

    /// A blank before the # makes it a comment; without a blank it is part of the value, as in a
    /// URL.
    private static func unquoted(_ text: Text) -> String {
        var isAfterBlank = true
        for index in text.indices {
            if text[index] == "#", isAfterBlank { return String(trimmed(text[..<index])) }
            isAfterBlank = isBlank(text[index])
        }
        return String(text)
    }

    private static func quoted(_ text: Text, _ name: String, _ line: Int) throws(Failure) -> String {
        let quote = text[text.startIndex]
        var value = String.UnicodeScalarView()
        var index = text.index(after: text.startIndex)
        while index < text.endIndex, text[index] != quote {
            let scalar = text[index]
            index = text.index(after: index)
            guard scalar == "\\", quote == "\"", index < text.endIndex else {
                value.append(scalar)
                continue
            }
            switch text[index] {
            case "n": value.append("\n")
            case "r": value.append("\r")
            case "t": value.append("\t")
            case "\\", "\"", "'", "$", "`": value.append(text[index])
            default: value.append(contentsOf: ["\\", text[index]])
            }
            index = text.index(after: index)
        }
        guard index < text.endIndex else { throw Failure(line: line, "the quote of \(name) is not closed") }
        let rest = trimmed(text[text.index(after: index)...])
        guard rest.isEmpty || rest.first == "#" else {
            throw Failure(line: line, "there is text after the closing quote of \(name)")
        }
        return String(value)
    }

    private static func systemError(_ number: Int32) -> String {
        strerror(number).map { String(cString: $0) } ?? "error \(number)"
    }
}
