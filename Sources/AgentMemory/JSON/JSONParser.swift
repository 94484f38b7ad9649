/// Where and why a text is not JSON.
public struct JSONSyntaxError: Error, Sendable, Equatable {
    /// Bytes from the start of the text.
    public let offset: Int
    public let message: String
    /// Whether the bytes are not valid UTF-8.
    public let isEncodingError: Bool

    init(offset: Int, message: String, isEncodingError: Bool = false) {
        self.offset = offset
        self.message = message
        self.isEncodingError = isEncodingError
    }
}

extension JSONValue {
    /// Nesting deeper than this is refused, because the parser is recursive and would run out of
    /// stack.
    public static let maximumDepth = 256

    /// What is done with an object that has one name twice, with different values.
    public enum RepeatedNames: Sendable {
        case lastCounts
        /// For requests: one of the two may be a filter that limits what the caller sees.
        case refused
    }

    /// Parses one JSON text (RFC 8259) in UTF-8. `maximumDepth` is the number of levels of nesting;
    /// callers raise it only for envelopes around values that were accepted before.
    ///
    /// - Throws: ``JSONSyntaxError``.
    public init(
        parsing bytes: some Sequence<UInt8>, maximumDepth: Int = JSONValue.maximumDepth,
        repeatedNames: RepeatedNames = .lastCounts
    ) throws(JSONSyntaxError) {
        let parsed: Result<JSONValue, JSONSyntaxError>? = bytes.withContiguousStorageIfAvailable { buffer in
            var parser = JSONParser(bytes: buffer, maximumDepth: maximumDepth, repeatedNames: repeatedNames)
            return Result { () throws(JSONSyntaxError) in try parser.document() }
        }
        if let parsed {
            self = try parsed.get()
        } else {
            try self.init(parsing: Array(bytes), maximumDepth: maximumDepth, repeatedNames: repeatedNames)
        }
    }

    /// Parses the JSON text of a string.
    ///
    /// - Throws: ``JSONSyntaxError``.
    public init(parsing text: String) throws(JSONSyntaxError) {
        try self.init(parsing: Array(text.utf8))
    }
}

private struct JSONParser {
    let bytes: UnsafeBufferPointer<UInt8>
    let maximumDepth: Int
    let repeatedNames: JSONValue.RepeatedNames
    var position = 0
    var depth = 0

    init(bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int, repeatedNames: JSONValue.RepeatedNames) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
        self.repeatedNames = repeatedNames
    }

    mutating func document() throws(JSONSyntaxError) -> JSONValue {
        let value = try value()
        skipBlanks()
        guard position == bytes.count else { throw error("unexpected text after the value") }
        return value
    }

    private func error(_ message: String, at offset: Int? = nil) -> JSONSyntaxError {
        JSONSyntaxError(offset: offset ?? position, message: message)
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func value() throws(JSONSyntaxError) -> JSONValue {
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case nil: throw error("the text ends where a value was expected")
        case let byte? where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte): return .number(try number())
        default: throw error("a value was expected")
        }
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count,
            (0..<count).allSatisfy({ bytes[position + $0] == word.utf8Start[$0] })
        else { throw error("a value was expected") }
        position += count
        return value
    }

    private mutating func enter() throws(JSONSyntaxError) {
        position += 1
        depth += 1
        guard depth <= maximumDepth else {
            throw error("nested deeper than \(maximumDepth) levels")
        }
    }

    private mutating func object() throws(JSONSyntaxError) -> JSONObject {
        try enter()
        defer { depth -= 1 }
        var object = JSONObject()
        skipBlanks()
        if next == UInt8(ascii: "}") {
            position += 1
            return object
        }
        while true {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw error("a member name in double quotes was expected") }
            let start = position
            let name = try string()
            skipBlanks()
            guard next == UInt8(ascii: ":") else { throw error("':' was expected") }
            position += 1
            let value = try value()
            if repeatedNames == .refused, let given = object[name], given != value {
                throw error("the object has this name twice, with different values", at: start)
            }
            object[name] = value
            skipBlanks()
            switch next {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return object
            default: throw error("',' or '}' was expected")
            }
        }
    }

    private mutating func array() throws(JSONSyntaxError) -> [JSONValue] {
        try enter()
        defer { depth -= 1 }
        var elements: [JSONValue] = []
        skipBlanks()
        if next == UInt8(ascii: "]") {
            position += 1
            return elements
        }
        while true {
            elements.append(try value())
            skipBlanks()
            switch next {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return elements
            default: throw error("',' or ']' was expected")
            }
        }
    }

    private mutating func number() throws(JSONSyntaxError) -> JSONNumber {
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        if next == UInt8(ascii: "0") { position += 1 } else { try digits() }
        if next == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        return JSONNumber(uncheckedLiteral: String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func digits() throws(JSONSyntaxError) {
        let start = position
        while let byte = next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        guard position > start else { throw error("a digit was expected") }
    }

    private mutating func string() throws(JSONSyntaxError) -> String {
        let quote = position
        position += 1
        let start = position
        var escaped = false
        while true {
            guard let byte = next else { throw error("the string is not closed", at: quote) }
            if byte == UInt8(ascii: "\"") { break }
            guard byte >= 0x20 else { throw error("a control character inside a string") }
            if byte == UInt8(ascii: "\\") {
                escaped = true
                position += 1
                guard position < bytes.count else { throw error("the string is not closed", at: quote) }
            }
            position += 1
        }
        let raw = UnsafeBufferPointer(rebasing: bytes[start..<position])
        position += 1
        let unescaped: String? =
            if escaped {
                try unescape(raw, at: start)
            } else if raw.allSatisfy({ $0 < 0x80 }) {
                // The common case, and much faster.
                String(decoding: raw, as: UTF8.self)
            } else {
                String(validating: raw, as: UTF8.self)
            }
        guard let unescaped else {
            throw JSONSyntaxError(offset: start, message: "the string is not UTF-8", isEncodingError: true)
        }
        return unescaped
    }

    private func unescape(_ raw: UnsafeBufferPointer<UInt8>, at offset: Int) throws(JSONSyntaxError) -> String? {
        var out: [UInt8] = []
        out.reserveCapacity(raw.count)
        var i = 0
        while i < raw.count {
            guard raw[i] == UInt8(ascii: "\\") else {
                out.append(raw[i])
                i += 1
                continue
            }
            let start = offset + i
            let escape = raw[i + 1]
            i += 2
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(escape)
            case UInt8(ascii: "b"): out.append(0x08)
            case UInt8(ascii: "f"): out.append(0x0C)
            case UInt8(ascii: "n"): out.append(0x0A)
            case UInt8(ascii: "r"): out.append(0x0D)
            case UInt8(ascii: "t"): out.append(0x09)
            case UInt8(ascii: "u"):
                guard let unit = hex(raw, i) else { throw error("\\u needs four hex digits", at: start) }
                i += 4
                var scalar = UInt32(unit)
                if (0xD800..<0xDC00).contains(unit) {
                    guard i + 1 < raw.count, raw[i] == UInt8(ascii: "\\"), raw[i + 1] == UInt8(ascii: "u"),
                        let low = hex(raw, i + 2), (0xDC00..<0xE000).contains(low)
                    else { throw error("half of a surrogate pair", at: start) }
                    i += 6
                    scalar = 0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00)
                }
                guard let unicode = Unicode.Scalar(scalar) else { throw error("half of a surrogate pair", at: start) }
                out.append(contentsOf: UTF8.encode(unicode)!)
            default: throw error("an unknown escape", at: start)
            }
        }
        return String(validating: out, as: UTF8.self)
    }

    private func hex(_ raw: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt16? {
        guard start + 4 <= raw.count else { return nil }
        var value: UInt16 = 0
        for byte in raw[start..<start + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }
}
