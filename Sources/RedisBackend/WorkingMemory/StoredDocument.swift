import AgentMemory

/// The document of a session in a form that RedisJSON can store.
///
/// It is the domain's ``SessionDocument``, but RedisJSON rounds large and long numbers, refuses
/// those beyond a double, and refuses deep nesting. For such values in a client's own JSON the
/// member `exact` has them once more, as JSON in a string: an array of `[path, value]`. The
/// reference does not write this member, so its changes always take effect.
enum StoredDocument {
    /// Every member except the messages.
    static let headPaths = [
        "memories", "context", "user_id", "tokens", "session_id", "namespace", "ttl_seconds", "data",
        "long_term_memory_strategy", "last_accessed", "created_at", "updated_at", "revision", "revisions", exact,
    ].map { "$.\($0)" }

    private static let exact = "exact"

    /// RedisJSON accepts 128 levels; the document needs some of them.
    private static let maximumDepth = 100

    /// The stored document wraps values that a request may nest as deeply as JSON is accepted.
    private static let wrappedDepth = JSONValue.maximumDepth + 16

    static func text(_ session: StoredSession) throws(MemoryError) -> [UInt8] {
        let bytes = SessionDocument.json(session).bytes
        let unsafe = clientValues(session.memory).filter { !isKept(.object($0.value), depth: 0) }
        guard !unsafe.isEmpty else { return bytes }
        guard var document = try? JSONValue(parsing: bytes, maximumDepth: wrappedDepth) else {
            throw MemoryError(.internalError, "a session cannot be written as JSON")
        }
        var exact: [JSONValue] = []
        for (path, value) in unsafe {
            exact.append([.array(path), .object(value)])
            if !isTaken(.object(value), depth: 0) { document.set([:], at: path[...]) }
        }
        document.set(.string(JSONValue.array(exact).jsonText), at: [.string(Self.exact)])
        return Array(document.jsonText.utf8)
    }

    /// - Parameters:
    ///   - text: the whole document, or an object of paths and the arrays of their values.
    ///   - messages: the path of the messages, if there are paths.
    static func session(
        _ text: String, messages: String? = nil, messageCount: Int
    ) throws(MemoryError) -> StoredSession {
        guard var document = try? JSONValue(parsing: text.utf8, maximumDepth: wrappedDepth) else {
            throw MemoryError(.internalError, "a stored session cannot be read")
        }
        if document["session_id"] == nil {
            var flat = JSONObject()
            for (path, found) in document.objectValue?.members ?? [] {
                if path == messages {
                    flat["messages"] = found
                } else {
                    flat[String(path.dropFirst(2))] = found.arrayValue?.first
                }
            }
            document = .object(flat)
        }
        if let text = document[exact]?.stringValue {
            guard let values = (try? JSONValue(parsing: text.utf8, maximumDepth: wrappedDepth))?.arrayValue else {
                throw MemoryError(.internalError, "a stored session cannot be read")
            }
            for value in values {
                guard let pair = value.arrayValue, pair.count == 2, let path = pair[0].arrayValue else { continue }
                document.set(pair[1], at: path[...])
            }
        }
        return try SessionDocument.session(document, messageCount: messageCount)
    }

    /// The values whose content comes from the client.
    private static func clientValues(_ memory: WorkingMemory) -> [(path: [JSONValue], value: JSONObject)] {
        var values: [(path: [JSONValue], value: JSONObject)] = []
        if let data = memory.data { values.append((["data"], data)) }
        values.append((["long_term_memory_strategy", "config"], memory.strategy.config))
        for (i, memory) in memory.memories.enumerated() {
            values.append((["memories", .int(i), "metadata"], memory.record.metadata))
            values.append(
                (["memories", .int(i), "extraction_strategy_config"], memory.record.extractionStrategyConfig))
        }
        return values
    }

    /// Whether RedisJSON returns the value as it was written.
    private static func isKept(_ value: JSONValue, depth: Int) -> Bool {
        switch value {
        case .null, .bool, .string: true
        case .number(let number): isKept(number.literal)
        case .array(let elements):
            depth < maximumDepth && elements.allSatisfy { isKept($0, depth: depth + 1) }
        case .object(let object):
            depth < maximumDepth && object.members.allSatisfy { isKept($0.value, depth: depth + 1) }
        }
    }

    /// Whether RedisJSON accepts the value at all.
    private static func isTaken(_ value: JSONValue, depth: Int) -> Bool {
        switch value {
        case .null, .bool, .string: true
        case .number(let number): number.double.isFinite
        case .array(let elements):
            depth < maximumDepth && elements.allSatisfy { isTaken($0, depth: depth + 1) }
        case .object(let object):
            depth < maximumDepth && object.members.allSatisfy { isTaken($0.value, depth: depth + 1) }
        }
    }

    /// Integers of 64 bits, and decimals of at most 15 digits that no other spelling is usual for:
    /// these are read exactly and printed the same.
    private static func isKept(_ literal: String) -> Bool {
        let unsigned = literal.utf8.drop { $0 == UInt8(ascii: "-") }
        guard let dot = unsigned.firstIndex(of: UInt8(ascii: ".")) else {
            return literal != "-0" && Int64(literal) != nil
        }
        guard unsigned.count <= 16, unsigned.allSatisfy({ $0 < UInt8(ascii: "A") && $0 != UInt8(ascii: "+") }) else {
            return false
        }
        let fraction = unsigned[unsigned.index(after: dot)...]
        guard fraction.count == 1 || fraction.last != UInt8(ascii: "0") else { return false }
        let magnitude = abs(Double(literal) ?? 0)
        return magnitude == 0 || magnitude >= 0.0001
    }
}

extension JSONValue {
    /// Replaces the value at a path of names and indexes; does nothing if the path does not exist.
    fileprivate mutating func set(_ value: JSONValue, at path: ArraySlice<JSONValue>) {
        guard let step = path.first else {
            self = value
            return
        }
        switch (self, step) {
        case (.object(var object), .string(let name)):
            var member = object[name] ?? .null
            member.set(value, at: path.dropFirst())
            object[name] = member
            self = .object(object)
        case (.array(var elements), .number(let index)):
            guard let index = index.int, elements.indices.contains(index) else { return }
            elements[index].set(value, at: path.dropFirst())
            self = .array(elements)
        default:
            return
        }
    }
}
