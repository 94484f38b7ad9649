/// A text of several SQL commands.
///
/// A Citus cluster accepts one command in a message if it concerns a distributed table, so scripts
/// are sent command by command.
enum SQLScript {
    /// The commands without the semicolons between them. Semicolons in literals, quoted names,
    /// dollar quotes and comments end none.
    static func commands(of script: String) -> [String] {
        var commands: [String] = []
        var command: [UInt8] = []
        var hasContent = false
        var rest = Array(script.utf8)[...]
        func finish() {
            if hasContent { commands.append(String(decoding: command, as: UTF8.self)) }
            command.removeAll()
            hasContent = false
        }
        while let byte = rest.first {
            if byte == UInt8(ascii: ";") {
                rest.removeFirst()
                finish()
                continue
            }
            let token = firstToken(of: rest)
            // Nothing of a comment before a command is part of it.
            let isComment = token.starts(with: "--".utf8) || token.starts(with: "/*".utf8)
            let isBlank = token.count == 1 && [0x20, 0x09, 0x0A, 0x0D].contains(byte)
            if hasContent || !(isComment || isBlank) {
                command += token
                hasContent = true
            }
            rest = rest[token.endIndex...]
        }
        finish()
        return commands
    }

    /// What cannot be divided: a quoted part, a comment, or one byte.
    private static func firstToken(of text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func through(_ end: String, from start: Int) -> ArraySlice<UInt8> {
            guard let found = text[start...].firstRange(of: Array(end.utf8)) else { return text }
            return text[..<found.upperBound]
        }
        if text.starts(with: "--".utf8) { return through("\n", from: text.startIndex) }
        if text.starts(with: "/*".utf8) { return through("*/", from: text.startIndex + 2) }
        switch text[text.startIndex] {
        case UInt8(ascii: "'"): return through("'", from: text.startIndex + 1)
        case UInt8(ascii: "\""): return through("\"", from: text.startIndex + 1)
        case UInt8(ascii: "$"):
            let tag = text.dropFirst().prefix { $0 == UInt8(ascii: "_") || isLetter($0) }
            guard tag.endIndex < text.endIndex, text[tag.endIndex] == UInt8(ascii: "$") else { return text.prefix(1) }
            let quote = text[...tag.endIndex]
            return through(String(decoding: quote, as: UTF8.self), from: quote.endIndex)
        default: return text.prefix(1)
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
