import RedisDriver

/// A query in the engine's language, with its values apart.
///
/// The text never contains a value, only `$p0`, `$p1`, ...: so no value is ever read as syntax
/// (rule F10).
struct QueryText: Sendable, Equatable {
    /// Clauses that must all hold; none matches every record.
    private(set) var clauses: [String] = []
    private(set) var parameters: [[UInt8]] = []

    mutating func add(_ clause: String) { clauses.append(clause) }

    mutating func replaceClauses(with clauses: [String]) { self.clauses = clauses }

    /// Adds a value.
    ///
    /// - Returns: its name in the text.
    mutating func parameter(bytes: [UInt8]) -> String {
        parameters.append(bytes)
        return "$p\(parameters.count - 1)"
    }

    /// A value of a tag field or its prefix. The engine removes a backslash before punctuation from
    /// such values, so every backslash is doubled.
    mutating func tag(_ value: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(value.utf8.count)
        for byte in value.utf8 {
            if byte == UInt8(ascii: "\\") { bytes.append(byte) }
            bytes.append(byte)
        }
        return parameter(bytes: bytes)
    }

    /// A word of the analyser, or a number.
    mutating func plain(_ value: String) -> String { parameter(bytes: Array(value.utf8)) }

    var isEmpty: Bool { clauses.isEmpty }

    /// A number that equal queries share, to remember something of them in little memory. Others
    /// may have it too: what is remembered must be no more than a guess.
    var identity: Int {
        var hasher = Hasher()
        hasher.combine(clauses)
        hasher.combine(parameters)
        return hasher.finalize()
    }

    /// The whole text; `*` without a clause.
    var text: String { clauses.isEmpty ? "*" : clauses.joined(separator: " ") }

    /// The clauses in a form that adds nothing to a text score.
    ///
    /// A tag has a score of its own, and RediSearch 2.10 respects a weight of 0 only on a union or
    /// an intersection. It also merges an intersection on the left of another clause with it,
    /// including the weight. So each clause becomes a union with itself; a clause that excludes has
    /// no score.
    var weightless: [String] {
        clauses.map { $0.hasPrefix("-") ? $0 : "(\($0)|\($0))=>{$weight:0}" }
    }

    func appendParameters(to command: inout RedisCommand) {
        guard !parameters.isEmpty else { return }
        command.append("PARAMS")
        command.append(parameters.count * 2)
        for (i, value) in parameters.enumerated() {
            command.append("p\(i)")
            command.append(bytes: value)
        }
    }
}
