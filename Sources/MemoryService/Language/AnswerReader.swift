import AgentMemory

/// Finds the JSON in a model's answer, whatever stands around it: fences, a sentence before or
/// after, a list without its object, one item without its list.
enum AnswerReader {
    /// The places in a text that are tried as the beginning of the JSON.
    private static let maximumStarts = 64

    /// The items of the list `name`.
    ///
    /// - Parameters:
    ///   - mark: a member that every item has.
    ///   - isWhole: whether the model came to its end. Of a list that was cut off, the items that
    ///     are whole are read.
    /// - Returns: `nil` if the text has no such list.
    static func items(in text: String, list name: String, mark: String, isWhole: Bool) -> [JSONValue]? {
        let bytes = Array(text.utf8)
        var starts = 0
        // What stands in a list that does not end is not an answer of its own.
        var isInside = false
        var position = 0
        while position < bytes.count, starts < maximumStarts {
            guard bytes[position] == UInt8(ascii: "{") || bytes[position] == UInt8(ascii: "[") else {
                position += 1
                continue
            }
            starts += 1
            guard let end = end(of: position, in: bytes[...]) else {
                if !isWhole, let items = wholeItems(in: bytes[position...], list: name, mark: mark) { return items }
                isInside = true
                position += 1
                continue
            }
            if let value = try? JSONValue(parsing: Array(bytes[position..<end])),
                let items = items(of: value, list: name, mark: isInside ? nil : mark)
            {
                return items
            }
            // One item may be at fault.
            if !isInside, let items = wholeItems(in: bytes[position..<end], list: name, mark: mark) { return items }
            position += 1
        }
        return nil
    }

    /// - Parameter mark: a member of an item that may stand without its list; `nil` if none may.
    private static func items(of value: JSONValue, list name: String, mark: String?) -> [JSONValue]? {
        switch value {
        case .object(let object):
            if let items = object[name]?.arrayValue { return items }
            guard let mark else { return nil }
            return object[mark]?.stringValue == nil ? nil : [value]
        case .array(let items):
            return items.allSatisfy { $0.objectValue != nil } ? items : nil
        default: return nil
        }
    }

    /// The items that can be read by themselves, of a list that does not end or has a fault.
    private static func wholeItems(in bytes: ArraySlice<UInt8>, list name: String, mark: String) -> [JSONValue]? {
        var position = bytes.startIndex
        if bytes[position] == UInt8(ascii: "{") {
            guard let list = bytes.firstRange(of: Array("\"\(name)\"".utf8)),
                let open = bytes[list.upperBound...].firstIndex(of: UInt8(ascii: "["))
            else { return nil }
            position = open
        }
        position += 1
        var items: [JSONValue] = []
        while let start = bytes[position...].firstIndex(of: UInt8(ascii: "{")), let end = end(of: start, in: bytes) {
            if let value = try? JSONValue(parsing: Array(bytes[start..<end])), value[mark]?.stringValue != nil {
                items.append(value)
            }
            position = end
        }
        return items.isEmpty ? nil : items
    }

    /// Where the object or list that starts at `start` ends; `nil` if it does not.
    private static func end(of start: Int, in bytes: ArraySlice<UInt8>) -> Int? {
        var depth = 0
        var isText = false
        var isEscaped = false
        for position in start..<bytes.endIndex {
            let byte = bytes[position]
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 { return position + 1 }
            default: break
            }
        }
        return nil
    }
}
