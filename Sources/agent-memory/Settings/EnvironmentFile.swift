/// Reads a `.env` file: `NAME=value` lines, with comments, `export`, and quotes as shells and python-dotenv read them.
struct EnvironmentFile {
    struct SyntaxError: Error, CustomStringConvertible {
        let line: Int
        let message: String
        var description: String { "line \(line) of the .env file: \(message)" }
    }

    /// The last line of a name counts.
    let variables: [String: String]

    init(parsing text: String) throws(SyntaxError) {
        var variables: [String: String] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            var rest = Self.trimmed(line)
            if rest.isEmpty || rest.hasPrefix("#") { continue }
            if rest.hasPrefix("export ") { rest = Self.trimmed(rest.dropFirst(7)) }
            guard let equals = rest.firstIndex(of: "=") else {
                throw SyntaxError(line: index + 1, message: "NAME=value was expected")
            }
            let name = Self.trimmed(rest[..<equals])
            guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }) else {
                throw SyntaxError(line: index + 1, message: "a name is made of letters, digits and underscores")
            }
            guard let value = Self.value(Self.trimmed(rest[rest.index(after: equals)...])) else {
                throw SyntaxError(line: index + 1, message: "the quote of \(name) is not closed")
            }
            variables[String(name)] = value
        }
        self.variables = variables
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop(while: \.isWhitespace)
        return start.lastIndex { !$0.isWhitespace }.map { start[...$0] } ?? ""
    }

    private static func value(_ text: Substring) -> String? {
        guard let quote = text.first, quote == "\"" || quote == "'" else {
            // A blank before the # makes it a comment; without one it is part of the value, as in a URL.
            var end = text.endIndex
            var previous: Character = " "
            for index in text.indices {
                if text[index] == "#", previous.isWhitespace {
                    end = index
                    break
                }
                previous = text[index]
            }
            return String(trimmed(text[..<end]))
        }
        var value = ""
        var escaped = false
        for character in text.dropFirst() {
            if escaped {
                value.append(character == "n" ? "\n" : character)
                escaped = false
            } else if character == "\\", quote == "\"" {
                escaped = true
            } else if character == quote {
                return value
            } else {
                value.append(character)
            }
        }
        return nil
    }
}
